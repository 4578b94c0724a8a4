/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * execve: every refusal, scripts, what a new program keeps and what it loses. Run with an argument, it is the program
 * that is executed.
 */
#include "check.h"
#include <elf.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char self[] = "/proc/self/exe";
static char *const environment[] = { "A=1", NULL };

/* The error of an execve, which is the child's exit status. */
static void refused(const char *name, const char *path, char *const *arguments)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execve, path, arguments, environment);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		check_text(name, "%s", strerrorname_np(WEXITSTATUS(status)) ?: "?");
	else
		check_status(name, status);
}

static void make_file(const char *path, const void *content, size_t length, mode_t mode)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);

	if (write(fd, content, length) != (ssize_t)length || fchmod(fd, mode) != 0)
		give_up(path);
	close(fd);
}

static void refusals(void)
{
	char *arguments[] = { "x", NULL };
	static char long_argument[140000], path[5000];
	char *too_long[] = { "x", long_argument, NULL };
	static char *too_many[100001];
	Elf64_Ehdr header = { .e_ident = "\177ELF\2\1\1", .e_type = ET_EXEC, .e_machine = EM_AARCH64, .e_version = 1,
			      .e_phoff = sizeof(header), .e_ehsize = sizeof(header), .e_phentsize = sizeof(Elf64_Phdr) };
	int fd;

	refused("what is not there", "none", arguments);
	refused("an empty path", "", arguments);
	refused("a null path", NULL, arguments);
	refused("a bad path", BAD_ADDRESS, arguments);
	refused("bad arguments", self, BAD_ADDRESS);
	refused("a bad argument", self, (char *[]){ "x", BAD_ADDRESS, NULL });
	refused("a directory", "/", arguments);
	refused("a device", "/dev/null", arguments);
	memset(path, 'p', 4500);
	refused("a path that is too long", path, arguments);
	make_file("text", "neither ELF nor a script\n", 25, 0755);
	refused("text", "text", arguments);
	make_file("empty", "", 0, 0755);
	refused("an empty file", "empty", arguments);
	make_file("plain", "x", 1, 0644);
	refused("a file that nobody may execute", "plain", arguments);
	refused("below a file", "text/x", arguments);
	make_file("short", "\177ELF", 4, 0755);
	refused("a magic number alone", "short", arguments);
	make_file("header", &header, sizeof(header), 0755);
	refused("no segments", "header", arguments);
	header.e_phnum = 1;
	make_file("cut", &header, sizeof(header), 0755);
	refused("segments past the end", "cut", arguments);
	header.e_machine = EM_X86_64;
	make_file("foreign", &header, sizeof(header), 0755);
	refused("another machine's", "foreign", arguments);
	header.e_machine = EM_AARCH64;
	header.e_type = ET_REL;
	make_file("object", &header, sizeof(header), 0755);
	refused("an object file", "object", arguments);
	header.e_type = ET_EXEC;
	header.e_ident[EI_CLASS] = ELFCLASS32;
	make_file("narrow", &header, sizeof(header), 0755);
	refused("a 32-bit one", "narrow", arguments);
	memset(long_argument, 'a', sizeof(long_argument) - 1);
	refused("an argument of 139999", self, too_long);
	for (size_t i = 0; i < 100000; i++)
		too_many[i] = "an argument of some length, so that all of them are too many";
	refused("too many arguments", self, too_many);
	fd = open("busy", O_RDWR | O_CREAT, 0755);
	write(fd, "#!/proc/self/exe\n", 17);
	refused("open for writing", "busy", arguments);
	close(fd);
	make_file("script1", "#!/none\n", 8, 0755);
	refused("a script whose interpreter is not there", "script1", arguments);
	make_file("script2", "#!\n", 3, 0755);
	refused("a script without an interpreter", "script2", arguments);
	make_file("script3", "#!script3\n", 10, 0755);
	refused("a script that is its own interpreter", "script3", arguments);
	make_file("script4", "#!/dev/null\n", 12, 0755);
	refused("a script whose interpreter is a device", "script4", arguments);
	check("execveat, an unknown flag", syscall(SYS_execveat, AT_FDCWD, self, arguments, environment, 1));
	check("execveat, an empty path", syscall(SYS_execveat, 0, "", arguments, environment, 0));
	check("execveat, a device", syscall(SYS_execveat, 0, "", arguments, environment, AT_EMPTY_PATH));
	check("execveat, a directory", syscall(SYS_execveat, open("/", O_RDONLY), "", arguments, environment, AT_EMPTY_PATH));
	symlink(self, "link");
	check("execveat, a link not followed", syscall(SYS_execveat, AT_FDCWD, "link", arguments, environment, AT_SYMLINK_NOFOLLOW));
	check("execveat -1", syscall(SYS_execveat, -1, "x", arguments, environment, 0));
	close_range(3, ~0u, 0);
}

static __thread int own = 7;

static void *in_another_thread(void *seen)
{
	*(int *)seen = ++own;
	return NULL;
}

/* What the C library asks the kernel for before and while main runs, asked for once more. */
static void ask_as_libc_does(void)
{
	struct { void *next; long offset; void *pending; } robust = { &robust, 0, NULL };
	char text[16];
	volatile double two = 2, three = 3;
	static int thread_id;
	struct rlimit limit;
	pthread_t thread;
	int seen = 0;

	check_true("brk", syscall(SYS_brk, 0) > 0);
	check_true("set_tid_address", syscall(SYS_set_tid_address, &thread_id) == getpid());
	check("set_robust_list", syscall(SYS_set_robust_list, &robust, sizeof(robust)));
	check("prlimit64", syscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit));
	check("readlinkat", syscall(SYS_readlinkat, AT_FDCWD, self, text, sizeof(text)));
	check("getrandom", syscall(SYS_getrandom, text, sizeof(text), 0));
	check("a thread", pthread_create(&thread, NULL, in_another_thread, &seen));
	pthread_join(thread, NULL);
	check("a variable of that thread's own", seen);
	check("and of this one's", own);
	check_text("floating point", "%.9f", two / three);
	syscall(SYS_set_robust_list, NULL, sizeof(robust));
}

/* The executed program: prints what its argument asks for. The checks it makes are counted by its parent. */
static int executed(int argc, char **argv)
{
	const char *what = argv[1];
	sigset_t mask, pending;
	struct sigaction action;
	char name[16];

	subject = "executed";
	if (strcmp(what, "arguments") == 0) {
		check("how many arguments", argc);
		check_text("the first", "%s", argv[0]);
		check_text("the last", "%s", argv[argc - 1]);
		check_text("the environment", "%s", environ[0] ?: "?");
		check_true("it has an end", environ[0] && !environ[1]);
	} else if (strcmp(what, "kept") == 0) {
		check("a descriptor", fcntl(10, F_GETFD));
		check("one with FD_CLOEXEC", fcntl(11, F_GETFD));
		check_text("the umask", "%o", umask(0));
		sigprocmask(SIG_BLOCK, NULL, &mask);
		check("a blocked signal", sigismember(&mask, SIGUSR1));
		sigpending(&pending);
		check("a pending signal", sigismember(&pending, SIGUSR1));
		sigaction(SIGUSR2, NULL, &action);
		check_true("an ignored signal", action.sa_handler == SIG_IGN);
		sigaction(SIGHUP, NULL, &action);
		check_true("a handled signal is not", action.sa_handler == SIG_DFL);
		check_text("the working directory", "%s", getcwd(name, sizeof(name)) ?: "?");
		prctl(PR_GET_NAME, name);
		check_text("the name", "%s", name);
	} else if (strcmp(what, "auxv") == 0) {
		check("AT_PAGESZ", (long)getauxval(AT_PAGESZ));
		check("AT_CLKTCK", (long)getauxval(AT_CLKTCK));
		check("AT_PHENT", (long)getauxval(AT_PHENT));
		check_true("AT_PHDR", getauxval(AT_PHDR) != 0);
		check_true("AT_ENTRY", getauxval(AT_ENTRY) != 0);
		check("AT_UID", (long)getauxval(AT_UID));
		check("AT_SECURE", (long)getauxval(AT_SECURE));
		check_true("AT_RANDOM", getauxval(AT_RANDOM) != 0);
		check_text("AT_EXECFN", "%s", (char *)getauxval(AT_EXECFN) ?: "?");
		check_text("AT_PLATFORM", "%s", (char *)getauxval(AT_PLATFORM) ?: "?");
		check("AT_BASE", (long)getauxval(AT_BASE));
		check("AT_FLAGS", (long)getauxval(AT_FLAGS));
		check_true("AT_MINSIGSTKSZ", getauxval(AT_MINSIGSTKSZ) >= 4720);
		check_true("HWCAP_FP and HWCAP_ASIMD", (getauxval(AT_HWCAP) & 3) == 3);
		check_true("HWCAP_ATOMICS", (getauxval(AT_HWCAP) & 1 << 8) != 0);
	} else if (strcmp(what, "libc") == 0) {
		ask_as_libc_does();
	}
	return checks;
}

/* Executes this program for what the argument says; the checks it made count as ours. */
static void execute(const char *path, char *const *arguments)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execve(path, arguments, environment);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 0)
		give_up("the executed program");
	checks += WEXITSTATUS(status);
}

static void executing(void)
{
	sigset_t set;
	static char program[256];
	ssize_t length = readlink(self, program, sizeof(program) - 1);

	if (length < 0)
		give_up(self);
	execute(self, (char *[]){ "a name", "arguments", "two words", "", "last", NULL });
	dup2(0, 10);
	dup3(0, 11, O_CLOEXEC);
	umask(031);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, SIG_DFL);
	chdir("/tmp");
	raise(SIGUSR1);
	execute(program, (char *[]){ "x", "kept", NULL });
	chdir("/tmp/conformance");
	execute(program, (char *[]){ "x", "auxv", NULL });
	execute(program, (char *[]){ "x", "libc", NULL });
}


int main(int argc, char **argv)
{
	if (argc > 1)
		return executed(argc, argv);
	begin();
	subject = "refused";
	refusals();
	executing();
	return finish();
}
