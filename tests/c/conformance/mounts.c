/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Mounting: what there is to mount, where, with which flags, and taking it away again.
 */
#include "check.h"
#include <sys/mount.h>
#include <sys/statfs.h>

static void mounting(void)
{
	struct statfs filesystem;
	struct stat before, after;

	mkdir("at", 0755);
	close(file_with("file", "x"));
	lstat("at", &before);
	check("tmpfs", mount("none", "at", "tmpfs", 0, NULL));
	lstat("at", &after);
	check_true("another filesystem is there", before.st_dev != after.st_dev);
	check_text("its kind", "%lx", (statfs("at", &filesystem), (long)filesystem.f_type));
	check_ok("a file in it", open("at/x", O_RDWR | O_CREAT, 0600));
	check("rename out of it", rename("at/x", "y"));
	check("link out of it", link("at/x", "y"));
	check("rmdir", rmdir("at"));
	check("umount, busy", umount("at"));
	close_range(3, ~0u, 0);
	check("umount", umount("at"));
	check("the file has gone", access("at/x", F_OK));
	check("umount again", umount("at"));
	check("an unknown filesystem", mount("none", "at", "nonefs", 0, NULL));
	check("on a file", mount("none", "file", "tmpfs", 0, NULL));
	check("on what is not there", mount("none", "none", "tmpfs", 0, NULL));
	check("without a kind", mount("none", "at", NULL, 0, NULL));
	check("a bad address", mount("none", BAD_ADDRESS, "tmpfs", 0, NULL));
	check("a wrong option", mount("none", "at", "tmpfs", 0, "nonsense"));
	check("an option", mount("none", "at", "tmpfs", 0, "mode=0700"));
	lstat("at", &after);
	check_text("the mode it gave", "%o", after.st_mode);
	check("another on top", mount("none", "at", "tmpfs", 0, NULL));
	check("umount the top", umount("at"));
	check("read-only", mount("none", "at", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	check_ok("create then", open("at/x", O_RDWR | O_CREAT, 0600));
	check("mkdir then", mkdir("at/d", 0700));
	check("umount it", umount("at"));
	check("proc", mount("none", "at", "proc", 0, NULL));
	check("what is in it", access("at/self", F_OK));
	check("umount proc", umount("at"));
	check("sysfs", mount("none", "at", "sysfs", 0, NULL));
	check("umount sysfs", umount("at"));
	check("devtmpfs", mount("none", "at", "devtmpfs", 0, NULL));
	check("it is the same one", access("at/dma_heap/system", F_OK));
	check("umount devtmpfs", umount("at"));
	check("bind", mount("/dev", "at", NULL, MS_BIND, NULL));
	check("what was bound", access("at/null", F_OK));
	check("umount lazily", umount2("at", MNT_DETACH));
	check("umount, an unknown flag", umount2("at", 0x100));
	check("umount what is no mount point", umount("/tmp"));
	check("umount what is not there", umount("none"));
	check("MS_NODEV", mount("none", "at", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL));
	mknod("at/null", S_IFCHR | 0600, 0x103);
	check_ok("a device there", open("at/null", O_RDWR));
	umount("at");
	check("pivot_root to no mount point", syscall(SYS_pivot_root, "at", "at"));
}

static void listed(void)
{
	char line[256];
	FILE *file = fopen("/proc/mounts", "r");
	int seen = 0;

	mount("source", "at", "tmpfs", MS_RDONLY | MS_NOSUID, NULL);
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "source ", 7) == 0) {
			line[strcspn(line, "\n")] = '\0';
			check_text("in /proc/mounts", "%.60s", line);
			seen = 1;
		}
	check("it is there", seen);
	umount("at");
}

/* Who has ended uses nothing any more. */
static void users(void)
{
	int round, status = 0, refused = 0;
	pid_t pid;

	for (round = 0; round < 200; round++) {
		mount("none", "at", "tmpfs", 0, NULL);
		if (fork() == 0)
			_exit(chdir("at") != 0 || (round % 2 && chroot(".") != 0));
		wait(&status);
		refused += umount("at") != 0 || status != 0;
		umount2("at", MNT_DETACH);
	}
	check_text("refused after the end of who was there", "%d", refused);
	mount("none", "at", "tmpfs", 0, NULL);
	pid = fork();
	if (pid == 0)
		_exit(chroot("at") || raise(SIGSTOP));
	waitpid(pid, &status, WUNTRACED);
	check("umount another's root", umount("at"));
	kill(pid, SIGKILL);
	wait(&status);
	check("umount, then", umount("at"));
}

int main(void)
{
	begin();
	subject = "mount";
	mounting();
	subject = "users";
	users();
	subject = "list";
	listed();
	return finish();
}
