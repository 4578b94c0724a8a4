# What each of these scripts begins with: busybox's programs by their names, a tmpfs to work on, and what a check prints.
# The same busybox printed NAME.expected on Linux.
/bin/busybox --install -s /bin 2>/dev/null
mkdir -p /tmp/work
mount -t tmpfs work /tmp/work || exit 2
cd /tmp/work || exit 2
checks=0

# check NAME RESULT: one line; a bar stands for the end of a line.
check() {
	checks=$((checks + 1))
	printf '%s: %s\n' "$1" "$(printf '%s' "$2" | tr '\n' '|')"
}

# The end: nothing that was begun is left, so the tmpfs can go.
finish() {
	cd /
	umount /tmp/work || exit 1
	echo "$checks checks"
}
