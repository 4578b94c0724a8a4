/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What may not be done in a filesystem: read-only ones, those without devices or programs; mounts that are moved; files
 * that are executed and written to; another root directory.
 */
#include "check.h"
#include <sys/mount.h>
#include <sys/statvfs.h>

static const char *root_only = "at/file";

static void show(const char *name)
{
	char line[256];
	FILE *file = fopen("/proc/mounts", "r");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "source ", 7) == 0) {
			line[strcspn(line, "\n")] = '\0';
			check_text(name, "%s", line);
		}
	if (file)
		fclose(file);
}

static void read_only(void)
{
	struct statvfs filesystem;
	int fd;

	mkdir("at", 0755);
	check("mount", mount("source", "at", "tmpfs", 0, "size=1m"));
	close(file_with(root_only, "content"));
	mkdir("at/d", 0755);
	symlink("file", "at/link");
	mknod("at/null", S_IFCHR | 0600, 0x103);
	mkfifo("at/fifo", 0600);
	fd = open(root_only, O_RDWR);
	check("remount while a file is open for writing", mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	close(fd);
	fd = open(root_only, O_RDONLY);
	check("remount", mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, "size=1m"));
	show("shown");
	check("statvfs", statvfs("at", &filesystem));
	check("its flags", (long)(filesystem.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)));
	check_ok("open for reading", open(root_only, O_RDONLY));
	check_ok("open for writing", open(root_only, O_WRONLY));
	check_ok("open, truncated", open(root_only, O_RDONLY | O_TRUNC));
	check_ok("create what is there", open(root_only, O_RDONLY | O_CREAT, 0600));
	check_ok("create what is there, exclusively", open(root_only, O_RDONLY | O_CREAT | O_EXCL, 0600));
	check_ok("create", open("at/new", O_RDWR | O_CREAT, 0600));
	check_ok("a file without a name", open("at", O_RDWR | O_TMPFILE, 0600));
	check_ok("a device, for writing", open("at/null", O_RDWR));
	check_ok("a pipe, for both", open("at/fifo", O_RDWR | O_NONBLOCK));
	check("mkdir", mkdir("at/new", 0700));
	check("mkdir what is there", mkdir("at/d", 0700));
	check("mknod", mknod("at/new", S_IFREG | 0600, 0));
	check("symlink", symlink("x", "at/new"));
	check("link", link(root_only, "at/new"));
	check("link out of it", link(root_only, "out"));
	check("unlink", unlink(root_only));
	check("unlink what is not there", unlink("at/none"));
	check("rmdir", rmdir("at/d"));
	check("rename", rename(root_only, "at/new"));
	check("rename what is not there", rename("at/none", "at/new"));
	check("rename out of it", rename(root_only, "out"));
	check("chmod", chmod(root_only, 0600));
	check("fchmod", fchmod(fd, 0600));
	check("chown", chown(root_only, 0, 0));
	check("utimensat", utimensat(AT_FDCWD, root_only, NULL, 0));
	check("truncate", truncate(root_only, 0));
	check("truncate a directory", truncate("at/d", 0));
	check("access W_OK", access(root_only, W_OK));
	check("access W_OK of a device", access("at/null", W_OK));
	check("access R_OK", access(root_only, R_OK));
	check("writable again", mount(NULL, "at", NULL, MS_REMOUNT, NULL));
	check("mkdir then", mkdir("at/new", 0700));
	close_range(3, ~0u, 0);
	check("umount", umount("at"));
	check("mount read-only", mount("source", "at", "tmpfs", MS_RDONLY, NULL));
	check("mkdir there", mkdir("at/new", 0700));
	check("umount it", umount("at"));
	check("remount what is no mount point", mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, NULL));
}

static int runs(const char *path)
{
	execl(path, path, "done", NULL);
	return errno;
}

static int runs_the_copy(void)
{
	return runs("at/program");
}

static int runs_the_file(void)
{
	return runs("program");
}

static void copy_self(const char *to)
{
	char bytes[4096];
	ssize_t length;
	int from = open("/proc/self/exe", O_RDONLY), fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	while ((length = read(from, bytes, sizeof(bytes))) > 0)
		if (write(fd, bytes, (size_t)length) != length)
			give_up(to);
	close(from);
	close(fd);
}

static void restricted(void)
{
	int program;
	void *mapped;

	mount("source", "at", "tmpfs", 0, NULL);
	copy_self("at/program");
	mknod("at/null", S_IFCHR | 0600, 0x103);
	check_child("a program", runs_the_copy);
	check("MS_NOEXEC", mount(NULL, "at", NULL, MS_REMOUNT | MS_NOEXEC, NULL));
	check_child("the program then", runs_the_copy);
	check("access X_OK", access("at/program", X_OK));
	program = open("at/program", O_RDONLY);
	check_map("mapped for executing", mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, program, 0));
	mapped = check_map("mapped for reading", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, program, 0));
	check("made executable", mprotect(mapped, PAGE, PROT_READ | PROT_EXEC));
	munmap(mapped, PAGE);
	check_ok("a device", open("at/null", O_RDWR));
	show("shown");
	check("MS_NODEV and MS_NOSUID", mount(NULL, "at", NULL, MS_REMOUNT | MS_NODEV | MS_NOSUID, NULL));
	check_ok("the device then", open("at/null", O_RDWR));
	check_ok("the device's name", open("at/null", O_PATH));
	check_child("the program again", runs_the_copy);
	show("shown then");
	close_range(3, ~0u, 0);
	umount("at");
}

static void moved(void)
{
	mkdir("to", 0755);
	close(file_with("plain", "x"));
	mount("source", "at", "tmpfs", 0, NULL);
	mkdir("at/d", 0755);
	check("move what is no mount point", mount("to", "at", NULL, MS_MOVE, NULL));
	check("move into itself", mount("at", "at/d", NULL, MS_MOVE, NULL));
	check("move onto a file", mount("at", "plain", NULL, MS_MOVE, NULL));
	check("move what is not there", mount("none", "to", NULL, MS_MOVE, NULL));
	check("move", mount("at", "to", NULL, MS_MOVE, NULL));
	check("what was there", access("at/d", F_OK));
	check("where it is now", access("to/d", F_OK));
	show("shown");
	check("umount the old place", umount("at"));
	check("umount the new one", umount("to"));
	check("nothing is left", umount("at"));
}

static void executed(void)
{
	int fd, ends[2], status;
	char byte;
	pid_t pid;

	copy_self("program");
	fd = open("program", O_WRONLY);
	check_child("open for writing", runs_the_file);
	close(fd);
	fd = open("program", O_RDONLY);
	check_child("open for reading", runs_the_file);
	close(fd);
	/* A program that waits until its input ends. */
	pipe(ends);
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], 0);
		close_range(3, ~0u, 0);
		execl("program", "program", "waits", NULL);
		_exit(99);
	}
	close(ends[0]);
	/* It has begun when the kernel has closed what was there to close: its name in /proc says so. */
	for (char path[64], name[32] = ""; strncmp(name, "program", 7) != 0;) {
		int comm;

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		comm = open(path, O_RDONLY);
		read(comm, name, sizeof(name));
		close(comm);
	}
	check_ok("writing to it", open("program", O_WRONLY));
	check_ok("cutting it", open("program", O_RDONLY | O_TRUNC));
	check("truncate", truncate("program", 0));
	check_ok("reading it", open("program", O_RDONLY));
	check("chmod", chmod("program", 0700));
	check("rename", rename("program", "renamed"));
	check("unlink", unlink("renamed"));
	write(ends[1], &byte, 1);
	close(ends[1]);
	waitpid(pid, &status, 0);
	check_status("it ends", status);
	close_range(3, ~0u, 0);
}

static int in_another_root(void)
{
	char path[64];

	mkdir("jail", 0755);
	mkdir("jail/d", 0755);
	if (chroot("jail") != 0 || chdir("/") != 0)
		return 1;
	if (access("/d", F_OK) != 0 || access("/tmp", F_OK) == 0 || access("/../../d", F_OK) != 0)
		return 2;
	if (chdir("d") != 0 || !getcwd(path, sizeof(path)) || strcmp(path, "/d") != 0)
		return 3;
	return 0;
}

static int outside_its_root(void)
{
	char path[128] = "";

	if (chroot("jail") != 0 || syscall(SYS_getcwd, path, sizeof(path)) < 0)
		return 1;
	return strcmp(path, "(unreachable)/tmp/conformance") == 0 ? 7 : 2;
}

int main(int argc, char **argv)
{
	char byte;

	if (argc > 1) {
		if (strcmp(argv[1], "waits") == 0)
			read(0, &byte, 1);
		return 42;
	}
	(void)argv;
	begin();
	subject = "read-only";
	read_only();
	subject = "restricted";
	restricted();
	subject = "moved";
	moved();
	subject = "executed";
	executed();
	subject = "root";
	check_child("another one", in_another_root);
	check_child("a directory outside it", outside_its_root);
	return finish();
}
