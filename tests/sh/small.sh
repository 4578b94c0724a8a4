# Every part of the small shell.
echo one; echo "two  $HOME" | cat | cat
A=5; B="x y"; echo $A "$B" $B ${A}z '$A' \$A
ls /nonexistent 2>/dev/null || echo failed $?
false && echo no; true && echo yes; ! true || echo turned
for i in a b "c d"; do echo "[$i]"; done
i=; while [ "$i" != xxx ]; do i=x$i; echo $i; done
until [ "$i" = done ]; do i=done; done; echo $i
if [ -d /bin ]; then echo dir; elif true; then echo no; else echo no; fi
echo file > /tmp/f; echo more >> /tmp/f; cat < /tmp/f | wc -l; cat /tmp/f 2>&1
{ echo grouped; echo together; } | cat
( cd /tmp; pwd ); pwd; cd /tmp; pwd
nothere 2>/dev/null; echo $?
/dev/null 2>/dev/null; echo $?
sh -c 'exit 7'; echo $?
sh -c 'kill -9 $$'; echo $?
echo 'echo script "$0" "$@" $#' > /tmp/s
sh /tmp/s 1 "2 3"
X=exported sh -c 'echo $X'; echo "<$X>"
export Y=kept; sh -c 'echo $Y'; unset Y; sh -c 'echo "<$Y>"'
sleep 1 & echo started; wait; echo waited
echo text | sh -c 'cat; echo after'
ls -l /dev/dma_heap | grep system | wc -l
ps | grep sbin/init | wc -l
dmesg | grep 'Lastref on' | wc -l
mount | grep proc | wc -l
insmod /lib/modules/tee_heap.ko name=mine; ls /dev/dma_heap; rmmod tee_heap; lsmod | grep tee | wc -l
mkdir /tmp/d; ls /tmp/d; rm /tmp/f; ls /tmp
set -- p q r; echo $# $2
sh -e -c 'false; echo unreached'; echo $?
echo 'if true' | sh 2>/dev/null; echo $?
exit 3
