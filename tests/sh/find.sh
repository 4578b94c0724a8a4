# Busybox's find.
. /tmp/sh/check.sh
umask 022

mkdir -p tree/a/b tree/c/d
for i in 1 2 3; do echo $i > tree/a/b/f$i; done
head -c 5000 /dev/zero > tree/c/large
: > tree/c/d/nothing
ln -s ../a tree/c/link
ln -s nowhere tree/c/dangling
mkfifo tree/fifo
mknod tree/null c 1 3
chmod 4755 tree/a/b/f1
chown 7:9 tree/a/b/f2
touch -d '2040-01-01 01:01:01' tree/a/b/f1
check 'all' "$(find tree | sort)"
check 'by name' "$(find tree -name 'f[12]' | sort; find tree -iname 'F1')"
check 'by path' "$(find tree -path '*/b/*' | sort) $(find tree -regex '.*/f[0-9]' | wc -l)"
check 'by kind' "$(for k in d f l p c b s; do find tree -type $k | wc -l; done)"
check 'by mode' "$(find tree -perm -4000; find tree -type f -perm 644 | sort; find tree -perm /6000)"
check 'by size' "$(find tree -type f -size +4k; find tree -type f -size 0; find tree -size -3c -type f | sort)"
check 'by owner' "$(find tree -user 7; find tree -group 9; find tree -type f ! -user 0)"
check 'by time' "$(find tree -type f -newer tree/a/b/f3; find tree -type f ! -newer tree/a/b/f1 | wc -l)"
check 'by inode and links' "$(ln tree/a/b/f1 tree/hard; find tree -samefile tree/hard | sort; find tree -type f -links +1 | sort; rm tree/hard)"
check 'how deep' "$(find tree -maxdepth 1 | sort; find tree -mindepth 3 -type f | sort)"
check 'the depths first' "$(find tree/a -depth | tail -n 2)"
check 'through links' "$(find -L tree/c -name f1; find tree/c -name f1; find -H tree/c/link -maxdepth 1 | sort)"
check 'not there' "$(find tree -name b -prune -o -type f -print | sort)"
check 'and, or, not' "$(find tree \( -name 'f1' -o -name 'f2' \) -a ! -name 'f2')"
check 'empty' "$(find tree -empty | sort)"
check 'runs programs' "$(find tree -name 'f?' -exec cat {} + | sort; find tree -name 'f1' -exec echo '<{}>' \;)"
check 'runs programs that fail' "$(find tree -type f -exec false \; -print | wc -l; find tree -type f -exec true \; -print | wc -l)"
check 'by zeros' "$(touch 'tree/a b' 'tree/c
d'; find tree -maxdepth 1 -type f -print0 | tr '\0' ';' | wc -c; rm tree/a\ b tree/c?d)"
check 'stops' "$(find tree -type f -print -quit | wc -l)"
check 'stays on its filesystem' "$(mount -t tmpfs other tree/c/d; touch tree/c/d/other; find tree -name other; find tree -xdev -name other; umount tree/c/d)"
check 'removes' "$(find tree -name 'f[12]' -exec rm {} \;; find tree -name 'f?')"
check 'what is not there' "$(find nowhere 2>&1; echo $?)"
check 'a deep tree' "$(p=deep; for i in $(seq 1 60); do p=$p/d; done; mkdir -p $p; find deep | wc -l; rm -r deep; ls -d deep 2>/dev/null)"
check 'many files' "$(mkdir many; for i in $(seq 1 1500); do : > many/$i; done; find many -type f | wc -l; ls many | wc -l; rm -r many)"
check 'du' "$(du -s tree/a/b | cut -f2; du -ak tree/c | sort -k2 | awk '{ print $2 }')"
check 'stat' "$(stat -c '%F %a %h %s' tree/c/large tree/c/link tree/fifo tree/null; stat -c '%t:%T' tree/null)"
check 'ls' "$(ls -l tree/c/large | awk '{ print $1, $2, $3, $4, $5 }'; ls -p tree; ls -A tree/c | wc -l)"
check 'readlink and realpath' "$(readlink tree/c/link; readlink -f tree/c/link; realpath tree/c/../c/large; realpath tree/c/dangling; echo $?)"
finish
