# Busybox's gzip and its kin.
. /tmp/sh/check.sh

seq 1 20000 > numbers
head -c 300000 /dev/zero > zeros
: > empty
check 'compresses' "$(gzip numbers; ls)"
check 'and back' "$(gunzip numbers.gz; ls; md5sum numbers)"
check 'keeps' "$(gzip -k numbers; ls; [ $(stat -c %s numbers.gz) -lt 60000 ] && echo smaller)"
check 'to standard output' "$(gzip -c numbers | gunzip -c | cmp - numbers; echo $?)"
check 'the header' "$(head -c 3 numbers.gz | od -An -tx1)"
check 'looks into it' "$(zcat numbers.gz | tail -n 1; gzip -dc numbers.gz | head -n 1)"
check 'tests it' "$(gzip -t numbers.gz; echo $?)"
check 'does not overwrite' "$(gzip -k numbers < /dev/null > /dev/null 2>&1; echo $?; gzip -kf numbers; echo $?)"
check 'levels' "$(for l in 1 6 9; do gzip -$l -c zeros | gunzip | cmp - zeros; echo -n $?; done)"
check 'zeros' "$([ $(gzip -c zeros | wc -c) -lt 1000 ] && echo few)"
check 'nothing' "$(gzip -c empty | gunzip | wc -c)"
check 'one after the other' "$( (echo a | gzip; echo b | gzip) | zcat)"
check 'the mode of the file' "$(chmod 640 zeros; gzip zeros; stat -c %a zeros.gz; gunzip zeros.gz; stat -c '%a %s' zeros)"
check 'a short one' "$(head -c 100 numbers.gz | gunzip > /dev/null 2>&1; echo $?)"
check 'a damaged one' "$( (head -c 5000 numbers.gz; printf XXXX; tail -c +5005 numbers.gz) | gunzip > /dev/null 2>&1; echo $?)"
check 'none at all' "$(echo text | gunzip 2>&1; echo $?; gunzip nothing.gz 2>&1; echo $?)"
check 'a full device' "$(gzip -c numbers > /dev/full 2>/dev/null; echo $?)"
check 'a full filesystem' "$(mkdir small; mount -t tmpfs -o size=64k small small; cp zeros small 2>/dev/null; echo $?; stat -c %s small/zeros; umount small)"
check 'bzip2' "$(bzip2 -k numbers; bzcat numbers.bz2 | md5sum)"
check 'xz' "$(printf '\3757zXZ\0\0\4\346\326\264F\2\0!\1\26\0\0\0t/\345\243\1\0\5hello\n\0\0\0\256\320\242\32\321B1\20\0\1\36\6\301/<\336\37\266\363}\1\0\0\0\0\4YZ' | xzcat 2>&1 | head -n 1)"
finish
