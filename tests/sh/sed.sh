# Busybox's sed.
. /tmp/sh/check.sh

printf '%s\n' 'b 2' 'a 1' 'c 30' > table
seq 1 10 > ten
check 'substitutes' "$(sed -e 's/\([a-z]\) \([0-9]*\)/\2-\1/' -e '$!d' table)"
check 'substitutes all, and the second' "$(echo aaaa | sed -e 's/a/b/2' -e 's/a/<&>/g')"
check 'extended expressions' "$(echo 'ab12cd' | sed -E 's/([a-z]+)([0-9]+)/\2\1/; s/(c|d)+$/!/')"
check 'other delimiters' "$(echo /usr/bin | sed 's,/,:,g; s|:|/|')"
check 'either case' "$(echo Hello | sed 's/hELLO/x/I')"
check 'addresses' "$(sed -n '/a/,/c/p;1=' table)"
check 'ranges' "$(sed -n '2,4p; 9,$p' ten) $(sed '2,$d' ten) $(sed -n '2,+1p' ten)"
check 'not' "$(sed -n '/[19]/!p' ten)"
check 'quits' "$(sed 3q ten; sed -n '2{p;q5}' ten; echo $?)"
check 'inserts, appends, changes' "$(sed -e '1i before' -e '2a after' -e '3c changed' table)"
check 'translates' "$(sed 'y/abc/xyz/' table)"
check 'holds' "$(sed -n '1!G;h;$p' table)"
check 'exchanges' "$(sed -n 'x;p' table)"
check 'next lines' "$(sed 'N;s/\n/+/' ten) $(sed -n 'n;p' ten)"
check 'first of several lines' "$(sed -n '$!N;P;D' table)"
check 'branches' "$(sed ':a;N;$!ba;s/\n/,/g' ten) $(echo aXbX | sed ':x;s/X/-/;tx')"
check 'groups of commands' "$(sed -n '/a/{s/a/A/;p}' table)"
check 'in place' "$(sed -i 's/30/3/' table; cat table; ls)"
check 'in place, with a copy' "$(sed -i.old 's/3/30/' table; cat table table.old)"
check 'writes a file' "$(sed -n '/b/w written' table; cat written)"
check 'reads a file' "$(sed '1r ten' table | wc -l)"
check 'no end of the last line' "$(printf 'a\nb' | sed 's/b/c/' | od -An -c)"
check 'empty expressions' "$(echo abab | sed '/ab/s//x/g')"
check 'a script in a file' "$(printf 's/a/X/\n# a comment\n$d\n' > script; sed -f script table)"
check 'many lines' "$(seq 1 30000 | sed -n 's/7/x/gp' | md5sum)"
check 'a long line' "$(head -c 100000 /dev/zero | tr '\0' a | sed 's/a/bb/g' | wc -c)"
check 'what is wrong' "$(sed 's/a' table 2>&1; echo $?; sed p nothing 2>&1; echo $?)"
finish
