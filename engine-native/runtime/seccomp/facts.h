/* Facts of the default system call policy: which names a container may use, and under which capability.
 * Read by generate.c at build time only. Everything not named here is refused with EPERM, everything newer
 * than LAST_KNOWN with ENOSYS, so that a libc falls back to an older call instead of failing. Never add
 * io_uring_*, userfaultfd, keyctl, kexec_*, pivot_root, swapon or move_pages. */
#ifndef SECCOMP_FACTS_H
#define SECCOMP_FACTS_H

/* The newest call that was judged (removexattrat, Linux 6.13). */
#define LAST_KNOWN 466

// clang-format off
/* ANY: always. CAP: with one of the capabilities. RULE: always, but an argument is checked (rules in
 * filter.c). */
#define SECCOMP_FACTS(ANY, CAP, RULE) \
    FACTS_FILES(ANY) FACTS_PROCESS(ANY) FACTS_MEMORY(ANY) FACTS_TIME(ANY) FACTS_SOCKETS(ANY) \
    FACTS_CAPS(CAP) FACTS_RULES(RULE)

#define FACTS_FILES(ANY) \
    ANY(access) ANY(cachestat) ANY(chdir) ANY(chmod) ANY(chown) ANY(close) ANY(close_range) \
    ANY(copy_file_range) ANY(creat) ANY(dup) ANY(dup2) ANY(dup3) ANY(epoll_create) ANY(epoll_create1) \
    ANY(epoll_ctl) ANY(epoll_ctl_old) ANY(epoll_pwait) ANY(epoll_pwait2) ANY(epoll_wait) \
    ANY(epoll_wait_old) ANY(eventfd) ANY(eventfd2) ANY(faccessat) ANY(faccessat2) ANY(fadvise64) \
    ANY(fallocate) ANY(fanotify_mark) ANY(fchdir) ANY(fchmod) ANY(fchmodat) ANY(fchmodat2) ANY(fchown) \
    ANY(fchownat) ANY(fcntl) ANY(fdatasync) ANY(fgetxattr) ANY(flistxattr) ANY(flock) ANY(fremovexattr) \
    ANY(fsetxattr) ANY(fstat) ANY(fstatfs) ANY(fsync) ANY(ftruncate) ANY(futimesat) ANY(getcwd) \
    ANY(getdents) ANY(getdents64) ANY(getxattr) ANY(getxattrat) ANY(inotify_add_watch) ANY(inotify_init) \
    ANY(inotify_init1) ANY(inotify_rm_watch) ANY(io_cancel) ANY(ioctl) ANY(io_destroy) ANY(io_getevents) \
    ANY(io_pgetevents) ANY(ioprio_get) ANY(ioprio_set) ANY(io_setup) ANY(io_submit) ANY(lchown) \
    ANY(lgetxattr) ANY(link) ANY(linkat) ANY(listmount) ANY(listxattr) ANY(listxattrat) ANY(llistxattr) \
    ANY(lremovexattr) ANY(lseek) ANY(lsetxattr) ANY(lstat) ANY(mkdir) ANY(mkdirat) ANY(mknod) ANY(mknodat) \
    ANY(name_to_handle_at) ANY(newfstatat) ANY(open) ANY(openat) ANY(openat2) ANY(pipe) ANY(pipe2) \
    ANY(poll) ANY(ppoll) ANY(pread64) ANY(preadv) ANY(preadv2) ANY(pselect6) ANY(pwrite64) ANY(pwritev) \
    ANY(pwritev2) ANY(read) ANY(readahead) ANY(readlink) ANY(readlinkat) ANY(readv) ANY(removexattr) \
    ANY(removexattrat) ANY(rename) ANY(renameat) ANY(renameat2) ANY(rmdir) ANY(select) ANY(sendfile) \
    ANY(setxattr) ANY(setxattrat) ANY(splice) ANY(stat) ANY(statfs) ANY(statmount) ANY(statx) ANY(symlink) \
    ANY(symlinkat) ANY(sync) ANY(sync_file_range) ANY(syncfs) ANY(tee) ANY(truncate) ANY(umask) \
    ANY(unlink) ANY(unlinkat) ANY(utime) ANY(utimensat) ANY(utimes) ANY(vmsplice) ANY(write) ANY(writev)

#define FACTS_PROCESS(ANY) \
    ANY(arch_prctl) ANY(capget) ANY(capset) ANY(execve) ANY(execveat) ANY(exit) ANY(exit_group) ANY(fork) \
    ANY(futex) ANY(futex_requeue) ANY(futex_wait) ANY(futex_waitv) ANY(futex_wake) ANY(getcpu) \
    ANY(getegid) ANY(geteuid) ANY(getgid) ANY(getgroups) ANY(getpgid) ANY(getpgrp) ANY(getpid) \
    ANY(getppid) ANY(getpriority) ANY(getresgid) ANY(getresuid) ANY(getrlimit) ANY(get_robust_list) \
    ANY(getrusage) ANY(getsid) ANY(get_thread_area) ANY(gettid) ANY(getuid) ANY(kill) \
    ANY(landlock_add_rule) ANY(landlock_create_ruleset) ANY(landlock_restrict_self) ANY(modify_ldt) \
    ANY(msgctl) ANY(msgget) ANY(msgrcv) ANY(msgsnd) ANY(pause) ANY(pidfd_open) ANY(pidfd_send_signal) \
    ANY(prctl) ANY(prlimit64) ANY(process_vm_readv) ANY(process_vm_writev) ANY(ptrace) \
    ANY(restart_syscall) ANY(rseq) ANY(rt_sigaction) ANY(rt_sigpending) ANY(rt_sigprocmask) \
    ANY(rt_sigqueueinfo) ANY(rt_sigreturn) ANY(rt_sigsuspend) ANY(rt_sigtimedwait) ANY(rt_tgsigqueueinfo) \
    ANY(sched_getaffinity) ANY(sched_getattr) ANY(sched_getparam) ANY(sched_get_priority_max) \
    ANY(sched_get_priority_min) ANY(sched_getscheduler) ANY(sched_rr_get_interval) ANY(sched_setaffinity) \
    ANY(sched_setattr) ANY(sched_setparam) ANY(sched_setscheduler) ANY(sched_yield) ANY(seccomp) \
    ANY(semctl) ANY(semget) ANY(semop) ANY(semtimedop) ANY(setfsgid) ANY(setfsuid) ANY(setgid) \
    ANY(setgroups) ANY(setpgid) ANY(setpriority) ANY(setregid) ANY(setresgid) ANY(setresuid) ANY(setreuid) \
    ANY(setrlimit) ANY(set_robust_list) ANY(setsid) ANY(set_thread_area) ANY(set_tid_address) ANY(setuid) \
    ANY(sigaltstack) ANY(signalfd) ANY(signalfd4) ANY(sysinfo) ANY(tgkill) ANY(tkill) ANY(uname) \
    ANY(uretprobe) ANY(vfork) ANY(wait4) ANY(waitid)

#define FACTS_MEMORY(ANY) \
    ANY(brk) ANY(getrandom) ANY(madvise) ANY(map_shadow_stack) ANY(membarrier) ANY(memfd_create) \
    ANY(memfd_secret) ANY(mincore) ANY(mlock) ANY(mlock2) ANY(mlockall) ANY(mmap) ANY(mprotect) \
    ANY(mremap) ANY(mseal) ANY(msync) ANY(munlock) ANY(munlockall) ANY(munmap) ANY(pkey_alloc) \
    ANY(pkey_free) ANY(pkey_mprotect) ANY(process_mrelease) ANY(remap_file_pages) ANY(shmat) ANY(shmctl) \
    ANY(shmdt) ANY(shmget)

#define FACTS_TIME(ANY) \
    ANY(adjtimex) ANY(alarm) ANY(clock_adjtime) ANY(clock_getres) ANY(clock_gettime) ANY(clock_nanosleep) \
    ANY(getitimer) ANY(gettimeofday) ANY(nanosleep) ANY(setitimer) ANY(time) ANY(timer_create) \
    ANY(timer_delete) ANY(timer_getoverrun) ANY(timer_gettime) ANY(timer_settime) ANY(timerfd_create) \
    ANY(timerfd_gettime) ANY(timerfd_settime) ANY(times)

#define FACTS_SOCKETS(ANY) \
    ANY(accept) ANY(accept4) ANY(bind) ANY(connect) ANY(getpeername) ANY(getsockname) ANY(getsockopt) \
    ANY(listen) ANY(mq_getsetattr) ANY(mq_notify) ANY(mq_open) ANY(mq_timedreceive) ANY(mq_timedsend) \
    ANY(mq_unlink) ANY(recvfrom) ANY(recvmmsg) ANY(recvmsg) ANY(sendmmsg) ANY(sendmsg) ANY(sendto) \
    ANY(setsockopt) ANY(shutdown) ANY(socketpair)

#define FACTS_CAPS(CAP) \
    CAP(SYS_ADMIN, bpf) CAP(SYS_ADMIN, clone3) CAP(SYS_ADMIN, fanotify_init) CAP(SYS_ADMIN, fsconfig) \
    CAP(SYS_ADMIN, fsmount) CAP(SYS_ADMIN, fsopen) CAP(SYS_ADMIN, fspick) CAP(SYS_ADMIN, lookup_dcookie) \
    CAP(SYS_ADMIN, lsm_get_self_attr) CAP(SYS_ADMIN, lsm_list_modules) CAP(SYS_ADMIN, lsm_set_self_attr) \
    CAP(SYS_ADMIN, mount) CAP(SYS_ADMIN, mount_setattr) CAP(SYS_ADMIN, move_mount) \
    CAP(SYS_ADMIN, open_tree) CAP(SYS_ADMIN, perf_event_open) CAP(SYS_ADMIN, quotactl) \
    CAP(SYS_ADMIN, quotactl_fd) CAP(SYS_ADMIN, setdomainname) CAP(SYS_ADMIN, sethostname) \
    CAP(SYS_ADMIN, setns) CAP(SYS_ADMIN, syslog) CAP(SYS_ADMIN, umount2) CAP(SYS_ADMIN, unshare) \
    CAP(DAC_READ_SEARCH, open_by_handle_at) CAP(SYS_BOOT, reboot) CAP(SYS_CHROOT, chroot) \
    CAP(SYS_MODULE, delete_module) CAP(SYS_MODULE, init_module) CAP(SYS_MODULE, finit_module) \
    CAP(SYS_PACCT, acct) CAP(SYS_PTRACE, kcmp) CAP(SYS_PTRACE, pidfd_getfd) \
    CAP(SYS_PTRACE, process_madvise) CAP(SYS_RAWIO, iopl) CAP(SYS_RAWIO, ioperm) \
    CAP(SYS_TIME, settimeofday) CAP(SYS_TIME, clock_settime) CAP(SYS_TTY_CONFIG, vhangup) \
    CAP(SYS_NICE, get_mempolicy) CAP(SYS_NICE, mbind) CAP(SYS_NICE, set_mempolicy) \
    CAP(SYS_NICE, set_mempolicy_home_node) CAP(SYSLOG, syslog) CAP(BPF, bpf) CAP(PERFMON, perf_event_open)

#define FACTS_RULES(RULE) RULE(CLONE, clone) RULE(SOCKET, socket) RULE(PERSONALITY, personality)

/* Numbers of calls that older kernel headers do not know; the same on every 64-bit architecture. */
#define SECCOMP_NEW_NUMBERS(NR) \
    NR(cachestat, 451) NR(fchmodat2, 452) NR(map_shadow_stack, 453) NR(futex_wake, 454) \
    NR(futex_wait, 455) NR(futex_requeue, 456) NR(statmount, 457) NR(listmount, 458) \
    NR(lsm_get_self_attr, 459) NR(lsm_set_self_attr, 460) NR(lsm_list_modules, 461) NR(mseal, 462) \
    NR(setxattrat, 463) NR(getxattrat, 464) NR(listxattrat, 465) NR(removexattrat, 466)

// clang-format on
#endif
