/* nft.apply: one ruleset through nft's own parser, as one transaction. Runs in a worker of its own; job.c
 * lets only one network op go at a time, in the order asked, because a later may rest on an earlier. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "helper.h"

/* The kernel's nf_tables mutex held by a stuck process would otherwise block every later change. */
#define NFT_LIMIT_MS 10000

static const char *find_nft(void) {
    static const char *const places[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static pid_t spawn_nft(const char *nft, int in, int out) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    static char *const envp[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL};
    char *const argv[] = {(char *)"nft", (char *)"-f", (char *)"-", NULL};
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2)
        (void)execve(nft, argv, envp);
    _exit(127);
}

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Collects what nft says until it closes its output. The ruleset lies in a memfd, so it never waits for us.
 */
static int collect(int fd, char *text, size_t size, struct err *err) {
    int64_t end = now_ms() + NFT_LIMIT_MS;
    size_t len = 0;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_NETWORK, "nft did not finish in %d s", NFT_LIMIT_MS / 1000);
        char piece[1024];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got <= 0)
            break;
        size_t take = size - 1 - len < (size_t)got ? size - 1 - len : (size_t)got;
        memcpy(text + len, piece, take);
        len += take;
    }
    text[len] = '\0';
    return 0;
}

static int load_ruleset(const char *ruleset, struct err *err) {
    auto_close int fd = memfd_create("berth-ruleset", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a memfd for the ruleset");
    if (write_all(fd, ruleset, strlen(ruleset), err) < 0)
        return -1;
    return steal_fd(&fd);
}

/* One run of nft: its wait status, with what it said in `said`; -1 with err when it cannot be run or hangs.
 */
static int run_nft(const char *nft, int ruleset, char *said, size_t size, struct err *err) {
    int ends[2], status = 0;
    if (lseek(ruleset, 0, SEEK_SET) < 0)
        return err_sys(err, errno, "cannot rewind the ruleset");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot open a pipe");
    auto_close int reader = ends[0];
    pid_t pid = spawn_nft(nft, ruleset, ends[1]);
    (void)close(ends[1]);
    if (pid < 0)
        return err_sys(err, errno, "cannot start \"%s\"", nft);
    int collected = collect(reader, said, size, err);
    if (collected < 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return collected < 0 ? -1 : status;
}

/* While another program changes its own tables nft may fail without a word, between reading the tables and
 * its transaction. A ruleset is one transaction, so trying it again is safe. */
#define NFT_ATTEMPTS 5
#define NFT_PAUSE_NS 20000000L

int op_nft_apply(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *text = NULL, *nft = find_nft();
    char said[900] = "";
    (void)reply;
    if (json_need_string(call->request, "ruleset", &text, err) < 0)
        return -1;
    if (!nft)
        return err_set(err, ERR_UNSUPPORTED, "\"nft\" is not installed; install the nftables package");
    auto_close int ruleset = load_ruleset(text, err);
    if (ruleset < 0)
        return -1;
    int status = 0;
    for (int attempt = 0; attempt < NFT_ATTEMPTS; attempt++) {
        status = run_nft(nft, ruleset, said, sizeof said, err);
        if (status <= 0)
            return status;
        if (*said)
            return err_set(err, ERR_NETWORK, "nft refused the ruleset: %s", said);
        (void)nanosleep(&(struct timespec){.tv_nsec = NFT_PAUSE_NS}, NULL);
    }
    return err_set(err, ERR_NETWORK, "nft refused the ruleset %d times without a reason (wait status %d)",
                   NFT_ATTEMPTS, status);
}
