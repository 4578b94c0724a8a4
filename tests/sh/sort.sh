# Busybox's sort, and what goes with it.
. /tmp/sh/check.sh

printf '%s\n' 'b 2' 'a 1' 'c 30' 'a 10' > table
check 'by text' "$(sort table)"
check 'backwards' "$(sort -r table)"
check 'by a number' "$(sort -k2 -n table) $(sort -k 2,2nr -k1,1 table)"
check 'by number and text' "$(sort -k1,1 -k2,2n table)"
check 'once each' "$(cut -d' ' -f1 table | sort -u)"
check 'another separator' "$(printf 'x:3:a\ny:1:b\n' | sort -t: -k2n)"
check 'either case' "$(printf 'b\nA\na\nB\n' | sort -f) $(printf 'b\nA\na\nB\n' | sort)"
check 'blanks' "$(printf '  b\n a\nc\n' | sort -b) $(printf '  b\n a\nc\n' | sort)"
check 'months' "$(printf 'Mar\nJan\nFeb\n' | sort -M)"
check 'floating point' "$(printf '1e3\n2.5\n-4\n1e-2\n' | sort -g)"
check 'by zeros' "$(printf 'b\0a\0' | sort -z | tr '\0' '\n')"
check 'stable' "$(printf 'b 1\na 1\nc 0\n' | sort -s -k2n)"
check 'whether it is sorted' "$(sort -c table 2>/dev/null; echo $?; sort table | sort -c; echo $?)"
check 'into its own file' "$(sort -o table table; cat table)"
seq 1 20000 | awk '{ print ($1 * 7919) % 20011 }' > numbers
check 'many' "$(sort -n numbers | md5sum) $(sort numbers | md5sum) $(sort -nr numbers | head -n 1)"
check 'many of few' "$(awk '{ print $1 % 10 }' numbers | sort | uniq -c | sort -k1nr -k2n | awk '{ print $1 ":" $2 }')"
check 'several files' "$(sort -n numbers table numbers | wc -l)"
check 'what is not there' "$(sort nothing 2>&1; echo $?)"
check 'uniq' "$(printf '%s\n' a a b a | uniq -c | awk '{ print $1 $2 }') $(printf '%s\n' a a b | uniq -d) $(printf '%s\n' a a b | uniq -u)"
check 'cut and paste' "$(cut -c1,3- table | paste -s -d, -) $(cut -d' ' -f1 table | paste - table)"
check 'head and tail' "$(head -n 2 numbers | tail -n 1; tail -c 6 numbers; tail -n +19999 numbers | wc -l)"
check 'tr' "$(echo 'Hello 123' | tr a-z A-Z | tr -d '[:digit:]' | tr -s L)"
check 'wc' "$(wc numbers | awk '{ print $1, $2, $3 }')"
check 'sums' "$(md5sum numbers | cut -d' ' -f1; sha256sum numbers | cut -d' ' -f1)"
check 'od and dd' "$(printf 'abc\001' | dd bs=2 skip=1 2>/dev/null | od -An -tx1; dd if=numbers bs=1000 count=3 2>&1 >/dev/null | head -n 2)"
check 'cmp and diff' "$(printf '1\n2\n3\n' > x; printf '1\n4\n3\n' > y; cmp x y; diff x y; diff -u x y | tail -n 4)"
check 'tac, rev, nl' "$(tac x; rev table; nl x | tr '\t' ' ')"
finish
