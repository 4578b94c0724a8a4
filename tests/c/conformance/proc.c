/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The shape of /proc: which files there are, how their lines look, what opening and reading them wrongly gives. Numbers
 * are replaced by N, and what differs between machines is not looked at.
 */
#include "check.h"
#include <ctype.h>
#include <dirent.h>

/* A file's text; NUL bytes become spaces. */
static char *text_of(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t length = 0, got;

	while (fd >= 0 && (got = read(fd, text + length, sizeof(text) - 1 - (size_t)length)) > 0)
		length += got;
	close(fd);
	for (ssize_t i = 0; i < length; i++)
		if (!text[i])
			text[i] = ' ';
	text[length] = '\0';
	return text;
}

/* A line with each run of digits as N, and each run of blanks as one. */
static const char *shape(const char *line)
{
	static char shaped[512];
	size_t to = 0;

	while (*line && *line != '\n' && to < sizeof(shaped) - 2) {
		if (isdigit((unsigned char)*line)) {
			shaped[to++] = 'N';
			while (isdigit((unsigned char)*line))
				line++;
		} else if (*line == ' ' || *line == '\t') {
			shaped[to++] = ' ';
			while (*line == ' ' || *line == '\t')
				line++;
		} else {
			shaped[to++] = *line++;
		}
	}
	shaped[to] = '\0';
	return shaped;
}

/* The shape of the line that begins with a word; "none" where there is none. */
static void line_of(const char *path, const char *word)
{
	char *text = text_of(path), name[128];

	snprintf(name, sizeof(name), "%s, line %s", path, word);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, word, strlen(word)) == 0) {
			check_text(name, "%s", shape(line));
			return;
		}
	check_text(name, "none");
}

static void whole(const char *path)
{
	check_text(path, "%s", shape(text_of(path)));
}

static void own_files(void)
{
	static const char *const status[] = { "Name:", "Umask:", "State:", "Tgid:", "Pid:", "PPid:", "Uid:", "Gid:",
					      "FDSize:", "VmSize:", "VmRSS:", "Threads:", "SigPnd:", "SigBlk:", "SigIgn:",
					      "SigCgt:" };
	char path[64], target[256];
	ssize_t length;

	for (size_t i = 0; i < COUNT(status); i++)
		line_of("/proc/self/status", status[i]);
	whole("/proc/self/stat");
	whole("/proc/self/statm");
	whole("/proc/self/comm");
	check("arguments", strcmp(text_of("/proc/self/cmdline"), "/bin/proc ") == 0);
	check_true("maps has the stack", strstr(text_of("/proc/self/maps"), "[stack]") != NULL);
	check_true("maps has the heap", (malloc(1), strstr(text_of("/proc/self/maps"), "[heap]") != NULL));
	check_true("maps has the program", strstr(text_of("/proc/self/maps"), "/bin/proc\n") != NULL);
	check_true("limits", strstr(text_of("/proc/self/limits"), "Max open files") != NULL);
	check_true("mounts", strstr(text_of("/proc/self/mounts"), "/proc proc ") != NULL);
	check_true("mountinfo", strstr(text_of("/proc/self/mountinfo"), " /proc ") != NULL);
	check_true("auxv", access("/proc/self/auxv", R_OK) == 0);
	check_true("oom_score_adj", access("/proc/self/oom_score_adj", W_OK) == 0);
	length = readlink("/proc/self", target, sizeof(target));
	check_true("self is oneself", length > 0 && strtol(target, NULL, 10) == getpid());
	length = readlink("/proc/thread-self", target, sizeof(target));
	check_true("thread-self", length > 0);
	length = readlink("/proc/self/exe", target, sizeof(target));
	check_text("exe", "%.*s", (int)length, target);
	length = readlink("/proc/self/cwd", target, sizeof(target));
	check_text("cwd", "%.*s", (int)length, target);
	length = readlink("/proc/self/root", target, sizeof(target));
	check_text("root", "%.*s", (int)length, target);
	length = readlink("/proc/self/fd/0", target, sizeof(target));
	check_text("fd/0", "%.*s", (int)length, target);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", getpid());
	check_text("its task's name", "%s", shape(text_of(path)));
	check("fd/99", readlink("/proc/self/fd/99", target, sizeof(target)));
	check_ok("open fd/99", open("/proc/self/fd/99", O_RDONLY));
	check_ok("open fd/x", open("/proc/self/fd/x", O_RDONLY));
	check_ok("open nobody's", open("/proc/123456/stat", O_RDONLY));
	check_ok("open 01", open("/proc/01/stat", O_RDONLY));
	check("unlink fd/0", unlink("/proc/self/fd/0"));
	close_range(3, ~0u, 0);
}

static void descriptors(void)
{
	char path[64], target[64];
	int fd = file_with("file", "0123456789"), again, ends[2], count = 0;
	ssize_t length;
	DIR *directory;

	lseek(fd, 4, SEEK_SET);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = (int)check_ok("open again", open(path, O_RDONLY));
	check("its own position", lseek(again, 0, SEEK_CUR));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	line_of(path, "pos:");
	line_of(path, "flags:");
	line_of(path, "mnt_id:");
	line_of(path, "ino:");
	unlink("file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target));
	check_text("the text of a removed file's", "%.*s", (int)length, target);
	check_ok("open a removed file", open(path, O_RDWR));
	pipe(ends);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	length = readlink(path, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	check_text("the text of a pipe's", "%s", shape(target));
	close_range(3, ~0u, 0);
	directory = opendir("/proc/self/fd");
	while (directory && readdir(directory))
		count++;
	check("entries, with . and .. and the directory's own", count);
	if (directory)
		closedir(directory);
	check("lstat's mode", ({
		struct stat stat;

		lstat("/proc/self/fd/0", &stat);
		stat.st_mode;
	}));
}

static void common_files(void)
{
	static const char *const meminfo[] = { "MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SwapTotal:",
					       "CmaTotal:", "CmaFree:" };
	static const char *const stat[] = { "cpu ", "cpu0 ", "ctxt ", "btime ", "processes ", "procs_running " };
	static const char *const there[] = { "/proc/cmdline", "/proc/cpuinfo", "/proc/devices", "/proc/filesystems",
					     "/proc/interrupts", "/proc/kmsg", "/proc/loadavg",
					     "/proc/meminfo", "/proc/misc", "/proc/modules", "/proc/mounts",
					     "/proc/self", "/proc/stat", "/proc/sys", "/proc/uptime", "/proc/version",
					     "/proc/vmstat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease",
					     "/proc/sys/kernel/pid_max", "/proc/sys/fs/file-max",
					     "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/random/uuid" };
	char name[128];

	for (size_t i = 0; i < COUNT(there); i++) {
		snprintf(name, sizeof(name), "%s is there", there[i]);
		check(name, access(there[i], F_OK));
	}
	for (size_t i = 0; i < COUNT(meminfo); i++)
		line_of("/proc/meminfo", meminfo[i]);
	for (size_t i = 0; i < COUNT(stat); i++)
		line_of("/proc/stat", stat[i]);
	whole("/proc/uptime");
	whole("/proc/loadavg");
	check_true("version", strncmp(text_of("/proc/version"), "Linux version ", 14) == 0);
	line_of("/proc/cpuinfo", "processor");
	line_of("/proc/cpuinfo", "CPU architecture");
	line_of("/proc/devices", "Character devices:");
	check_true("a minor for udmabuf", strstr(text_of("/proc/misc"), " udmabuf\n") != NULL);
	check_true("a major for dma_heap", strstr(text_of("/proc/devices"), " dma_heap\n") != NULL);
	check_true("tmpfs is known", strstr(text_of("/proc/filesystems"), "nodev\ttmpfs\n") != NULL);
}

static void wrongly(void)
{
	char bytes[16];
	int fd = open("/proc/version", O_RDONLY);

	check_ok("open for writing", open("/proc/version", O_RDWR));
	check("write", write(fd, "x", 1));
	check("read a byte", read(fd, bytes, 1));
	check("read another", read(fd, bytes, 1));
	check("pread at 6", pread(fd, bytes, 7, 6));
	check_text("what it read", "%.7s", bytes);
	check("lseek back", lseek(fd, 0, SEEK_SET));
	check("lseek to the end", lseek(fd, 0, SEEK_END));
	check("read far past the end", pread(fd, bytes, 1, 100000));
	check("ftruncate", ftruncate(fd, 0));
	check_map("mmap", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	check("size", ({
		struct stat stat;

		fstat(fd, &stat);
		stat.st_size;
	}));
	check_ok("create in /proc", open("/proc/new", O_RDWR | O_CREAT, 0600));
	check("mkdir in /proc", mkdir("/proc/new", 0700));
	check("rmdir in /proc", rmdir("/proc/self/task"));
	check("rename in /proc", rename("/proc/version", "/proc/version2"));
	check("symlink in /proc", symlink("x", "/proc/new"));
	check("chmod in /proc", chmod("/proc/version", 0444));
	close(fd);
}

static void heaps(void)
{
	check("/sys/class/dma_heap", access("/sys/class/dma_heap", F_OK));
	check("/sys/class/dma_heap/system", access("/sys/class/dma_heap/system", F_OK));
	check("/sys/class/dma_heap/system/dev", access("/sys/class/dma_heap/system/dev", F_OK));
	check_text("its number", "%s", shape(text_of("/sys/class/dma_heap/system/dev")));
	line_of("/sys/class/dma_heap/system/uevent", "DEVNAME=");
	check("/sys/module", access("/sys/module", F_OK));
	check("/sys/kernel/debug/dma_buf/bufinfo", access("/sys/kernel/debug/dma_buf/bufinfo", F_OK));
	check_ok("create in /sys", open("/sys/new", O_RDWR | O_CREAT, 0600));
	check("mkdir in /sys", mkdir("/sys/new", 0700));
	check_ok("create in debugfs", open("/sys/kernel/debug/new", O_RDWR | O_CREAT, 0600));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "own";
	own_files();
	subject = "descriptors";
	descriptors();
	subject = "common";
	common_files();
	subject = "wrongly";
	wrongly();
	subject = "sys";
	heaps();
	return finish();
}
