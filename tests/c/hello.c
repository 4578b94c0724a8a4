/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What any C program takes for granted: arguments, environment, memory, files, directories, numbers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>

#include "tap.h"

extern char **environ;

static int closed;

static void at_end(void)
{
	closed = 1;
}

static void files(void)
{
	char line[64];
	FILE *file = fopen("/tmp/hello.txt", "w+");

	ok(file != NULL, "a file is made");
	is(fprintf(file, "%d %s\n%.3f\n", 42, "words", 2.5), 15, "and printed to");
	rewind(file);
	ok(fgets(line, sizeof(line), file) && strcmp(line, "42 words\n") == 0, "and read line by line");
	double number = 0;
	ok(fscanf(file, "%lf", &number) == 1 && number == 2.5, "and scanned");
	is(fgetc(file), '\n', "to its last character");
	is(fgetc(file), EOF, "and its end");
	is(fclose(file), 0, "closed");
	is(rename("/tmp/hello.txt", "/tmp/hello.new"), 0, "renamed");
	is(remove("/tmp/hello.new"), 0, "and removed");
	fails(open("/tmp/hello.new", O_RDONLY), ENOENT, "gone");
	file = tmpfile();
	ok(file && fputs("x", file) >= 0 && fclose(file) == 0, "a file without a name");
}

static void directories(void)
{
	char path[256];
	int dots = 0, proc = 0;
	struct dirent *entry;
	DIR *root = opendir("/");

	ok(root != NULL, "the root is opened");
	while (root && (entry = readdir(root))) {
		dots += entry->d_name[0] == '.' && entry->d_type == DT_DIR;
		proc += strcmp(entry->d_name, "proc") == 0;
	}
	ok(dots >= 2 && proc == 1, "and has what it has to");
	closedir(root);
	is(chdir("/proc/self"), 0, "chdir through a link");
	ok(getcwd(path, sizeof(path)) && strncmp(path, "/proc/", 6) == 0 && atoi(path + 6) == getpid(),
	   "getcwd says where it led");
	is(chdir("/"), 0, "and back");
}

static void memory(void)
{
	char *blocks[64];
	size_t good = 0;

	for (int i = 0; i < 64; i++) {
		blocks[i] = malloc(1 << (i % 21));
		memset(blocks[i], i, 1 << (i % 21));
	}
	for (int i = 0; i < 64; i++) {
		good += blocks[i][0] == i && blocks[i][(1 << (i % 21)) - 1] == i;
		blocks[i] = realloc(blocks[i], 4096 + (1 << (i % 21)));
		good += blocks[i][0] == i;
		free(blocks[i]);
	}
	is(good, 128, "malloc, realloc, free");
	volatile size_t most = SIZE_MAX / 2;
	ok(malloc(most) == NULL && errno == ENOMEM, "and no more than there is");
}

int main(int argc, char **argv)
{
	ok(argc >= 1 && argv[0] && argv[argc] == NULL, "arguments end with a null pointer");
	is(getauxval(AT_PAGESZ), 4096, "the page's size");
	ok(getauxval(AT_RANDOM) != 0, "random bytes to begin with");
	is(getauxval(AT_SECURE), 0, "no more rights than the caller's");
	ok(getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0, "program headers and entry");
	is(setenv("GREETING", "hello", 1), 0, "setenv");
	ok(strcmp(getenv("GREETING"), "hello") == 0 && environ != NULL, "getenv");
	memory();
	files();
	directories();
	volatile double two = 2;
	ok(strtod("0x1.8p1", NULL) == 3 && strtol("-077", NULL, 0) == -63, "numbers are read");
	ok(two / 3 > 0.66 && two / 3 < 0.67 && isinf(two / 0.0), "and reckoned with");
	struct tm *tm = gmtime(&(time_t){ 86400 * 365 });
	ok(tm->tm_year == 71 && tm->tm_mon == 0 && tm->tm_mday == 1, "time is broken down");
	is(atexit(at_end), 0, "atexit");
	is(IN_CHILD(exit(7)), 7, "a child's exit status");
	is(IN_CHILD(abort()), 128 + SIGABRT, "abort");
	ok(!closed, "what children do at their end they do alone");
	return done();
}
