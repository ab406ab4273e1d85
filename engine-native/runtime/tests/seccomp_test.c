/* The compiled filter, run by an interpreter of classic BPF over every system call number and over hostile
 * inputs. */
#include "../seccomp/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static struct sock_filter program[SECCOMP_MAX_INSNS];
static size_t program_length;

static uint32_t run(uint32_t arch, uint32_t nr, uint64_t arg0) {
    struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {arg0}};
    uint32_t a = 0;

    for (size_t pc = 0; pc < program_length; pc++) {
        const struct sock_filter *i = &program[pc];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)&data + i->k, sizeof(a));
            break;
        case BPF_JMP | BPF_JA:
            pc += i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += a & i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            CHECK(!"an instruction the test does not know");
            return 0;
        }
    }
    CHECK(!"ran off the end");
    return 0;
}

static uint32_t verdict(long nr, uint64_t arg0) {
    return run(ARCH, (uint32_t)nr, arg0);
}

#define ALLOWED SECCOMP_RET_ALLOW
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define ABSENT (SECCOMP_RET_ERRNO | ENOSYS)

static void compile(uint64_t caps) {
    program_length = seccomp_compile(caps, program);
    CHECK(program_length <= SECCOMP_MAX_INSNS);
}

static void default_set(void) {
    static const long allowed[] = {SYS_read,      SYS_openat,    SYS_execve,   SYS_futex,
                                   SYS_rseq,      SYS_statx,     SYS_ptrace,   SYS_close_range,
                                   SYS_mmap,      SYS_getrandom, SYS_io_setup, SYS_landlock_add_rule,
                                   SYS_pidfd_open};
    static const long refused[] = {SYS_mount,
                                   SYS_unshare,
                                   SYS_setns,
                                   SYS_bpf,
                                   SYS_io_uring_setup,
                                   SYS_userfaultfd,
                                   SYS_keyctl,
                                   SYS_kexec_load,
                                   SYS_pivot_root,
                                   SYS_swapon,
                                   SYS_reboot,
                                   SYS_init_module,
                                   SYS_open_by_handle_at,
                                   SYS_chroot,
                                   SYS_clock_settime,
                                   SYS_mbind,
                                   SYS_perf_event_open,
                                   SYS_move_pages,
                                   SYS_fsopen};

    compile(0);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        CHECK(verdict(allowed[i], 0) == ALLOWED);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        CHECK(verdict(refused[i], 0) == REFUSED);
    CHECK(verdict(SYS_clone3, 0) == ABSENT);
    CHECK(verdict(467, 0) == ABSENT);
    CHECK(verdict(100000, 0) == ABSENT);
    CHECK(verdict(452, 0) == ALLOWED); /* fchmodat2: newer than this machine's headers */
    CHECK(verdict(0x3fffffff, 0) == ABSENT);
}

static void arguments(void) {
    compile(0);
    CHECK(verdict(SYS_clone, 0x11) == ALLOWED);
    CHECK(verdict(SYS_clone, 0x10000000 | 0x11) == REFUSED); /* CLONE_NEWUSER */
    CHECK(verdict(SYS_clone, 0x02000000) == REFUSED);        /* CLONE_NEWCGROUP */
    for (uint64_t family = 0; family < 60; family++) {
        bool refused = family > 45 || family == 12 || family == 19 || family == 20 || family == 23 ||
                       family == 25 || family == 34 || family == 37 || family == 38 || family == 40;
        CHECK(verdict(SYS_socket, family) == (refused ? REFUSED : ALLOWED));
    }
    CHECK(verdict(SYS_personality, 0) == ALLOWED);
    CHECK(verdict(SYS_personality, 0x20008) == ALLOWED);
    CHECK(verdict(SYS_personality, 0xffffffff) == ALLOWED);
    CHECK(verdict(SYS_personality, 0x0040000) == REFUSED); /* ADDR_NO_RANDOMIZE */
}

static void capabilities(void) {
    compile(1ULL << CAP_SYS_ADMIN);
    CHECK(verdict(SYS_mount, 0) == ALLOWED);
    CHECK(verdict(SYS_clone, 0x10000000) == ALLOWED);
    CHECK(verdict(SYS_clone3, 0) == ALLOWED);
    CHECK(verdict(SYS_chroot, 0) == REFUSED);
    compile(1ULL << CAP_SYS_CHROOT);
    CHECK(verdict(SYS_chroot, 0) == ALLOWED);
    CHECK(verdict(SYS_mount, 0) == REFUSED);
    compile(1ULL << CAP_BPF);
    CHECK(verdict(SYS_bpf, 0) == ALLOWED);
    compile(~0ULL);
    CHECK(verdict(SYS_io_uring_setup, 0) == REFUSED);
}

static void architectures(void) {
    compile(0);
    CHECK(run(AUDIT_ARCH_I386, 1, 0) == SECCOMP_RET_KILL_PROCESS);
    CHECK(run(AUDIT_ARCH_ARM, 1, 0) == SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
    CHECK(run(ARCH, 0x40000000 | SYS_read, 0) == SECCOMP_RET_KILL_PROCESS);
    CHECK(run(ARCH, 0x40000000 | 520, 0) == SECCOMP_RET_KILL_PROCESS);
    CHECK(run(ARCH, 0xffffffffU, 0) == ABSENT);
#endif
}

int main(void) {
    default_set();
    arguments();
    capabilities();
    architectures();
    return checks_done("seccomp");
}
