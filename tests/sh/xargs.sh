# Busybox's xargs.
. /tmp/sh/check.sh

check 'one line' "$(seq 1 10 | xargs)"
check 'by number' "$(seq 1 10 | xargs -n 3 echo)"
check 'in its place' "$(printf 'a\nb c\n' | xargs -I % echo '<%>' '%')"
check 'by zeros' "$(printf 'a b\0c\0' | xargs -0 -n 1 echo -)"
check 'quotes' "$(printf '"a b" c\\ d '"'e f'" | xargs -n 1 echo -)"
check 'an end' "$(printf 'a\nEND\nb\n' | xargs -E END echo)"
check 'without arguments' "$(: | xargs echo none; : | xargs -r echo none; echo $?)"
check 'more than fits once' "$(seq 1 60000 | xargs echo | wc -l | awk '{ print ($1 > 1) ? "several" : "one" }'; seq 1 60000 | xargs echo | wc -w)"
check 'shows them' "$(seq 1 2 | xargs -t echo 2>&1)"
check 'several at a time' "$(seq 1 20 | xargs -n 1 -P 4 sh -c 'echo $0' | sort -n | tr '\n' ' ')"
check 'status of one that fails' "$(echo 1 | xargs false; echo $?; echo 1 | xargs sh -c 'exit 255' 2>/dev/null; echo $?)"
check 'goes on after a failure' "$(seq 1 3 | xargs -n 1 sh -c 'echo $0; exit 1'; echo $?)"
check 'status of one that is killed' "$(echo 1 | xargs sh -c 'kill -9 $$' 2>/dev/null; echo $?)"
check 'status of one that is not there' "$(echo 1 | xargs nowhere 2>/dev/null; echo $?; : > plain; echo 1 | xargs ./plain 2>/dev/null; echo $?)"
check 'standard input' "$(echo a | xargs cat - < /dev/null; echo a | xargs sh -c 'cat; echo $0')"
mkdir -p tree/a
touch tree/one 'tree/two words' tree/a/three
check 'with find' "$(find tree -type f -print0 | xargs -0 -n 1 basename | sort)"
check 'removes' "$(find tree -type f -print0 | xargs -0 rm; find tree | sort)"
finish
