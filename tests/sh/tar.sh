# Busybox's tar and cpio: contents, modes, links and times go and come back.
. /tmp/sh/check.sh
umask 022

mkdir -p tree/a/b tree/c tree/empty
for i in 1 2 3; do echo $i > tree/a/b/f$i; done
head -c 70000 /dev/zero | tr '\0' x > tree/a/large
: > tree/a/nothing
ln -s ../a tree/c/link
ln -s nowhere tree/c/dangling
ln tree/a/b/f3 tree/c/hard
mkfifo tree/fifo
chmod 4755 tree/a/b/f1
chmod 600 tree/a/b/f2
chmod 1777 tree/empty
chown 7:8 tree/a/b/f2
long=$(printf 'n%099d' 0)
echo long > tree/$long
touch -d '2020-02-02 02:02:02' tree/a/b/f3
touch -d '2001-01-01 01:01:01' tree/empty

list() { find "$1" | sort | while read -r n; do stat -c '%n %F %a %u %g %h %s' "$n"; done; }
list tree | sed 's/directory \(.*\) [0-9]*$/directory \1/' > before

check 'makes' "$(tar -cf tree.tar tree; echo $?; [ -s tree.tar ] && echo some)"
check 'lists' "$(tar -tf tree.tar | sort)"
check 'lists kinds and modes' "$(tar -tvf tree.tar | awk '{ print $1, $2 }' | sort | uniq -c | awk '{ print $1, $2, $3 }')"
mkdir out
check 'extracts' "$(tar -xf tree.tar -C out; echo $?)"
check 'all is as it was' "$(cd out; list tree | sed 's/directory \(.*\) [0-9]*$/directory \1/' | diff ../before - && echo same)"
check 'contents' "$(cmp tree/a/large out/tree/a/large && cat out/tree/a/b/f2 out/tree/$long)"
check 'links' "$(readlink out/tree/c/link; readlink out/tree/c/dangling; [ out/tree/c/hard -ef out/tree/a/b/f3 ] && echo one file)"
check 'times' "$(TZ=UTC stat -c %Y out/tree/a/b/f3 out/tree/empty)"
check 'some of it' "$(mkdir some; tar -xf tree.tar -C some tree/a/b/f2; find some -type f)"
check 'to standard output' "$(tar -xOf tree.tar tree/a/b/f1)"
check 'below another directory' "$(tar -cf - -C tree a/b | tar -tf -)"
check 'does not overwrite' "$(echo kept > out/tree/a/b/f1; tar -xkf tree.tar -C out tree/a/b/f1; cat out/tree/a/b/f1)"
check 'compressed' "$(tar -czf tree.tgz tree; tar -tzf tree.tgz | wc -l; [ $(stat -c %s tree.tgz) -lt $(stat -c %s tree.tar) ] && echo smaller)"
check 'through a pipe' "$(mkdir piped; tar -cf - tree | (cd piped && tar -xf -); diff -r tree/a piped/tree/a && echo same)"
check 'one that is damaged' "$(head -c 1000 tree.tar | tar -tf - > /dev/null 2>&1; echo $?; tar -tf before > /dev/null 2>&1; echo $?)"
check 'what is not there' "$(tar -cf x.tar nowhere 2>&1; echo $?)"
check 'cpio' "$(find tree | sort | cpio -o -H newc 2>/dev/null > tree.cpio; cpio -t < tree.cpio 2>/dev/null | wc -l)"
check 'cpio brings it back' "$(mkdir from; cd from; cpio -i -d < ../tree.cpio 2>/dev/null; list tree | sed 's/directory \(.*\) [0-9]*$/directory \1/' | diff ../before - && echo same)"
check 'cp does the same' "$(cp -a tree copy; cd copy; find . | sort | while read -r n; do stat -c '%n %F %a %u %g' $n; done | md5sum; cd ../tree; find . | sort | while read -r n; do stat -c '%n %F %a %u %g' $n; done | md5sum)"
check 'all of it goes' "$(rm -r tree copy out from piped some; ls)"
finish
