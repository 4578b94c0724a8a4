# Busybox's shell: words, control flow, functions, traps, jobs, redirections.
. /tmp/sh/check.sh

check 'arithmetic' "$((6 * 7)) $((1 << 40)) $((-7 / 2)) $((0x1f % 7)) $((2 > 1 && 0 || 3))"
check 'parameters' "${NONE:-default} ${NONE+set} ${PATH:+set} ${0##*/} $#"
check 'a parameter that has to be there' "$( (: "${NONE:?is not there}") 2>&1; echo $?)"
text=one.two.three
check 'prefixes and suffixes' "${text%.*} ${text%%.*} ${text#*.} ${text##*.} ${#text} ${text:4:3} ${text/two/2}"
set -- 'a b' c
check 'positions' "$# $1 $* $(for word in "$@"; do echo "[$word]"; done)"
IFS=:
check 'fields' "$(set -- a::b:c; set -- $1; echo $# "$2" "$4")"
unset IFS
f() { local inner=$1; shift; echo "$inner:$#:$*"; return 5; }
check 'functions' "$(f a b c) $(f > /dev/null; echo $?) [$inner]"
factorial() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
check 'a function that calls itself' "$(factorial 12)"
check 'a here document' "$(cat <<-END
	first $text $((1 + 1))
	second
	END
)"
check 'a quoted here document' "$(cat <<'END'
$text `date`
END
)"
check 'case' "$(for word in alpha beta 42 '*'; do case $word in a*) echo A;; [0-9]*) echo N;; \*) echo S;; *) echo -;; esac; done)"
check 'while, break and continue' "$(i=0; while :; do i=$((i + 1)); [ $i = 2 ] && continue; [ $i = 5 ] && break; echo $i; done)"
check 'until' "$(i=3; until [ $i = 0 ]; do i=$((i - 1)); echo -n $i; done)"
check 'a pipeline of five' "$(yes | head -n 100 | cat -n | tail -n 1 | awk '{ print $1 $2 }')"
check 'a status through a pipe' "$(false | true; echo $?) $( (exit 3); echo $?) $(! true; echo $?)"
check 'a pipe that breaks' "$(set -o pipefail; yes | head -n 1; echo $?)"
check 'and, or' "$(true && echo yes || echo no) $(false && echo yes || echo no)"
check 'errexit' "$(sh -e -c 'echo before; false; echo after'; echo $?)"
check 'nounset' "$(sh -u -c 'echo $nothing' 2>&1; echo $?)"
check 'xtrace' "$(sh -x -c 'a=1; echo $a' 2>&1)"
check 'trap and kill' "$(sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after')"
check 'a trap at the end' "$(sh -c 'trap "echo bye" EXIT; exit 4'; echo $?)"
check 'a trap in a function' "$(sh -c 'stop() { echo stopped; exit 6; }; trap stop TERM; kill $$; echo not here'; echo $?)"
check 'an ignored signal' "$(sh -c 'trap "" TERM; kill $$; sh -c "kill \$\$; echo inherited"')"
check 'traps are listed' "$(sh -c "trap 'echo x' INT; trap")"
check 'a trap while it waits' "$(sh -c 'trap "echo caught" USR1; (sleep 0.2; kill -USR1 $$) & wait $!; wait; echo $?')"
check 'a signal and its status' "$(sh -c 'kill -KILL $$' 2>/dev/null; echo $?) $(sh -c 'kill -PIPE $$' 2>/dev/null; echo $?)"
check 'wait gives a status' "$(sh -c '(exit 9) & wait $!; echo $?')"
check 'a background job' "$( (sleep 0.1; echo late) & echo early; wait)"
check 'jobs' "$(sh -c 'sleep 5 & jobs; kill %1; wait %1; echo $?' 2>/dev/null)"
check 'job control in a script' "$(sh -m -c 'sleep 5 & kill -STOP %1; sleep 0.2; jobs; kill -KILL %1; wait' 2>/dev/null)"
check 'patterns' "$(touch b1 a1 a2 'a b' .hidden; echo a* [ab]1 ?1 [!a]* .h* none*; rm a1 a2 b1 'a b' .hidden)"
check 'no patterns' "$(touch a1; set -f; echo a*; rm a1)"
printf '#!/bin/sh\necho "$0 $# $1"\n' > script
chmod +x script
check 'a script by its first line' "$(./script 'x y')"
printf 'echo "$0 $1 without"\n' > plain
chmod +x plain
check 'a script without one' "$(./plain x)"
check 'what cannot be run' "$(chmod -x plain; ./plain 2>&1; echo $?; ./nowhere 2>&1; echo $?; . 2>&1; echo $?)"
check 'a script that is read' "$(echo 'value=42; return 3' > read; . ./read; echo $? $value)"
check 'eval and exec' "$(name=x; eval "$name=7"; echo $x; exec echo replaced; echo not here)"
check 'ulimit' "$(ulimit -n; ulimit -s; ulimit -c; ulimit -n 64; ulimit -n)"
check 'redirections' "$( { echo out; echo err >&2; } 2>&1 >/dev/null)"
check 'descriptors by number' "$(exec 7> seven; echo text >&7; exec 7>&-; cat seven; echo more >&7 2>/dev/null || echo closed) "
check 'noclobber' "$(set -C; echo again > seven; echo $?; echo forced >| seven; cat seven) "
check 'both ends' "$(echo 0123456789 > both; exec 5<> both; read -n 4 part <&5; echo "$part"; echo -n XY >&5; cat both)"
printf 'a b  c\\\nd\nlast' > lines
check 'read' "$(while read -r one rest; do echo "<$one|$rest>"; done < lines; echo "$one")"
check 'read joins lines' "$(read one two < lines; echo "<$one|$two>")"
check 'read in time' "$(sleep 1 | { read -t 0.1 nothing; echo $?; })"
check 'printf' "$(printf '%05d|%-4s|%x|%c|%b|%s\n' 42 ab 255 xyz 'a\tb' 1 2>&1)"
check 'test' "$(for e in '-d .' '-f script' '-x script' '-s none' '-n ""' '3 -lt 10' 'a != b' 'script -nt none'; do test $e; echo -n $?; done)"
check 'umask' "$(umask 027; touch masked; mkdir maskdir; stat -c %a masked maskdir; rm -r masked maskdir; umask)"
check 'cd and pwd' "$(mkdir -p p/q; ln -s p/q s; cd s; pwd; pwd -P; cd ..; pwd; cd - > /dev/null; pwd)"
check 'aliases and types' "$(type f | head -n 1; type cd; type ls; command -v sed; hash -r)"
check 'getopts' "$(set -- -a -b value -x rest 2>&1; while getopts ab: o 2>/dev/null; do echo "$o=$OPTARG"; done; shift $((OPTIND - 1)); echo $1)"
check 'substitutions in substitutions' "$(echo $(echo $(echo `echo deep` er)))"
check 'a large substitution' "$(x=$(seq 1 50000); echo ${#x})"
check 'many arguments' "$(set -- $(seq 1 20000); echo $# && echo "$@" | wc -c)"
check 'too long a list' "$(x=$(printf %0200000d 0); /bin/true "$x" 2>/dev/null; echo $?)"
check 'a loop of processes' "$(for i in $(seq 1 100); do /bin/true || echo failed; done; echo done)"
finish
