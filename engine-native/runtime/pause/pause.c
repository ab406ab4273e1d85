/* berth-pause: the first process of a pod. It holds the pod's namespaces and waits: whatever is left to it is
 * reaped (a pod may share its process ids), and SIGTERM or SIGINT end it. The daemon puts it alone into a
 * layer of its own. Freestanding, because a pod that idles should cost a few pages; must never allocate, read
 * or write anything. */
#include <asm/unistd.h>
#include <signal.h>
#include <sys/wait.h>

#define KERNEL_SIGSET_BYTES 8

static long call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
#error "this machine's way to call its kernel is not known here"
#endif
}

_Noreturn void _start(void);

_Noreturn void _start(void) {
    const unsigned long ending = 1UL << (SIGTERM - 1) | 1UL << (SIGINT - 1);
    unsigned long wanted = ending | 1UL << (SIGCHLD - 1);

    /* Blocked signals are queued, for a first process too, which would never be given those it has no handler
     * for. */
    (void)call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&wanted, 0, KERNEL_SIGSET_BYTES);
    for (;;) {
        long signal = call(__NR_rt_sigtimedwait, (long)&wanted, 0, 0, KERNEL_SIGSET_BYTES);
        if (signal > 0 && (ending >> (signal - 1) & 1))
            break;
        while (call(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
            continue;
    }
    for (;;)
        (void)call(__NR_exit_group, 0, 0, 0, 0);
}
