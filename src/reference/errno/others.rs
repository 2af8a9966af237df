//! Errnos that do not come from the network: files, processes, devices, and the ones
//! that Linux inherited and rarely uses.

use super::{Errno, errnos};

errnos! {
    3 ESRCH "No such process"
        cause "no process, thread or netlink object of that number exists any more"
        next "list the processes: ps -e; for routes: ip route show";

    7 E2BIG "Argument list too long"
        cause "the arguments and environment of the new program are too long, or a bpf or syscall structure is too new for this kernel"
        next "pass fewer arguments, e.g. through xargs; show the limit: getconf ARG_MAX";

    8 ENOEXEC "Exec format error"
        cause "the file is not a program for this machine: another architecture, or a script without its #! line"
        next "see what the file is: file PATH; and this machine: uname -m";

    10 ECHILD "No child processes"
        cause "no child is left to wait for: another wait() collected it, or SIGCHLD is ignored"
        next "look for another wait() in the program";

    15 ENOTBLK "Block device required"
        cause "this operation needs a block device; the path names another kind of file"
        next "see what it is: ls -l PATH";

    18 EXDEV "Invalid cross-device link"
        cause "a rename or hard link cannot cross from one filesystem to another"
        next "copy and remove instead; compare: df PATH";

    21 EISDIR "Is a directory"
        cause "this operation needs a file; the path names a directory"
        next "name a file inside the directory; ls -l lists its contents";

    25 ENOTTY "Inappropriate ioctl for device"
        cause "the descriptor is not a terminal, or its driver does not know this ioctl"
        next "see what the descriptor is: lsof -p PID";

    26 ETXTBSY "Text file busy"
        cause "the program file is being executed and cannot be written, or is being written and cannot be executed"
        next "find the process that uses it: lsof PATH; replace the file by renaming instead of overwriting it";

    27 EFBIG "File too large"
        cause "the file would exceed the limit of the filesystem or of ulimit -f"
        next "show the limit: ulimit -f";

    29 ESPIPE "Illegal seek"
        cause "pipes, sockets and terminals cannot seek"
        next "read from a regular file, or read in order";

    30 EROFS "Read-only file system"
        cause "the filesystem is mounted read-only, by choice or by the kernel after errors"
        next "see how it is mounted: findmnt PATH; and why: journalctl -k -e";

    31 EMLINK "Too many links"
        cause "the file or directory has as many links as its filesystem allows"
        next "spread the entries over more directories";

    33 EDOM "Numerical argument out of domain"
        cause "an argument is outside the range for which the function is defined"
        next "check the numbers passed to the function";

    34 ERANGE "Numerical result out of range"
        cause "the result does not fit, or the caller's buffer is too small for it"
        next "use a larger buffer, or check the numbers passed to the function";

    35 EDEADLK "Resource deadlock avoided"
        also EDEADLOCK
        cause "taking this lock would leave two holders waiting for each other forever"
        next "list the file locks and their holders: cat /proc/locks";

    36 ENAMETOOLONG "File name too long"
        cause "a name is longer than 255 bytes or the path longer than 4096; a Unix socket's path may have 107"
        next "use a shorter path, for example in /run";

    37 ENOLCK "No locks available"
        cause "the lock table is full, or the NFS lock service does not answer"
        next "list the locks: cat /proc/locks; read the kernel log: journalctl -k -e";

    38 ENOSYS "Function not implemented"
        cause "this kernel does not have the system call, or a container's seccomp profile blocks it"
        next "compare the kernel version with what the call requires: uname -r";

    39 ENOTEMPTY "Directory not empty"
        cause "the directory still has entries, hidden ones included"
        next "list them all: ls -la PATH";

    40 ELOOP "Too many levels of symbolic links"
        cause "symbolic links form a loop, or the path contains one and O_NOFOLLOW forbids that"
        next "follow the path step by step: ls -ld, then readlink";

    42 ENOMSG "No message of desired type"
        cause "the System V message queue holds no message of that type"
        next "see the queues: ipcs -q";

    43 EIDRM "Identifier removed"
        cause "the System V queue, semaphore or shared memory was removed while in use"
        next "list what is left: ipcs";

    44 ECHRNG "Channel number out of range"
        cause "a channel number of a device is out of range; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    45 EL2NSYNC "Level 2 not synchronized"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    46 EL3HLT "Level 3 halted"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    47 EL3RST "Level 3 reset"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    48 ELNRNG "Link number out of range"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    49 EUNATCH "Protocol driver not attached"
        cause "the driver of a protocol is not attached to its device; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    50 ENOCSI "No CSI structure available"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    51 EL2HLT "Level 2 halted"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    52 EBADE "Invalid exchange"
        cause "a driver or a filesystem found an exchange with its device or server invalid"
        next "see which one: journalctl -k -e";

    53 EBADR "Invalid request descriptor"
        cause "a driver received a request that it does not know"
        next "see which driver: journalctl -k -e";

    54 EXFULL "Exchange full"
        cause "a driver's table of exchanges is full"
        next "see which driver: journalctl -k -e";

    55 ENOANO "No anode"
        cause "inherited from other systems; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    56 EBADRQC "Invalid request code"
        cause "a driver received a request code that it does not know"
        next "see which driver: journalctl -k -e";

    57 EBADSLT "Invalid slot"
        cause "a driver received a slot number that does not exist"
        next "see which driver: journalctl -k -e";

    59 EBFONT "Bad font file format"
        cause "inherited from System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    60 ENOSTR "Device not a stream"
        cause "a STREAMS call; Linux does not implement STREAMS"
        next "use the ordinary call instead";

    63 ENOSR "Out of streams resources"
        cause "STREAMS ran out of memory; Linux does not implement STREAMS, but some drivers reuse the code"
        next "see which driver: journalctl -k -e";

    65 ENOPKG "Package not installed"
        cause "an optional part is missing, e.g. the kernel's support for a key's algorithm"
        next "see what was asked for: journalctl -k -e";

    66 EREMOTE "Object is remote"
        cause "the object is on another machine and this call needs a local one"
        next "see which filesystem holds the path: df PATH";

    67 ENOLINK "Link has been severed"
        cause "the link to the device or server is gone"
        next "see which link: journalctl -k -e";

    68 EADV "Advertise error"
        cause "inherited from remote file sharing of System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    69 ESRMNT "Srmount error"
        cause "inherited from remote file sharing of System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    70 ECOMM "Communication error on send"
        cause "a driver could not pass the data on to its device"
        next "see which device: journalctl -k -e";

    72 EMULTIHOP "Multihop attempted"
        cause "the path would cross to a second machine or layer, which is not allowed here"
        next "use the path on its own machine or layer";

    73 EDOTDOT "RFS specific error"
        cause "inherited from remote file sharing of System V; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    74 EBADMSG "Bad message"
        cause "the data is damaged: a checksum or signature does not match, or a message is not of the expected kind"
        next "see what was damaged: journalctl -k -e";

    76 ENOTUNIQ "Name not unique on network"
        cause "a name or number is used twice but must be unique, for example two interfaces with one name"
        next "list the interfaces: ip link show";

    77 EBADFD "File descriptor in bad state"
        cause "the descriptor is open but in a state that does not allow this, e.g. a TUN device without its interface"
        next "see what the descriptor is: lsof -p PID";

    78 EREMCHG "Remote address changed"
        cause "the address of the remote side changed while it was in use"
        next "connect again";

    79 ELIBACC "Can not access a needed shared library"
        cause "the program's interpreter or a library is missing"
        next "list what it needs: ldd PATH";

    80 ELIBBAD "Accessing a corrupted shared library"
        cause "a library or the program's interpreter is damaged"
        next "list what it needs: ldd PATH; and install it again";

    81 ELIBSCN ".lib section in a.out corrupted"
        cause "inherited from a.out programs; rarely used on Linux"
        next "see what the file is: file PATH";

    82 ELIBMAX "Attempting to link in too many shared libraries"
        cause "inherited from System V; rarely used on Linux"
        next "list what it needs: ldd PATH";

    83 ELIBEXEC "Cannot exec a shared library directly"
        cause "the file is a library, not a program"
        next "see what the file is: file PATH";

    84 EILSEQ "Invalid or incomplete multibyte or wide character"
        cause "the bytes are not valid text in the expected encoding"
        next "compare with the locale: locale";

    85 ERESTART "Interrupted system call should be restarted"
        cause "internal to the kernel: the call is started again; a program should never see it"
        next "repeat the call";

    86 ESTRPIPE "Streams pipe error"
        cause "a sound device was suspended; otherwise rarely used on Linux"
        next "see which device: journalctl -k -e";

    87 EUSERS "Too many users"
        cause "a limit of users is reached, e.g. of disk quotas or of namespaces"
        next "show the limits: sysctl user";

    117 EUCLEAN "Structure needs cleaning"
        cause "the filesystem is damaged"
        next "read the kernel log: journalctl -k -e; then unmount the filesystem and check it";

    118 ENOTNAM "Not a XENIX named type file"
        cause "inherited from XENIX; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    119 ENAVAIL "No XENIX semaphores available"
        cause "inherited from XENIX; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    120 EISNAM "Is a named type file"
        cause "inherited from XENIX; rarely used on Linux"
        next "see which driver: journalctl -k -e";

    121 EREMOTEIO "Remote I/O error"
        cause "the device or server at the other end of a bus or mount reported an error"
        next "see which one: journalctl -k -e";

    122 EDQUOT "Disk quota exceeded"
        cause "the user's or group's quota of disk space, files or keys is used up"
        next "show the free space: df -h; ask the administrator about the quota";

    123 ENOMEDIUM "No medium found"
        cause "the drive is empty"
        next "see the block devices: lsblk";

    124 EMEDIUMTYPE "Wrong medium type"
        cause "the medium or filesystem is not of the requested kind"
        next "see the block devices: lsblk -f";

    126 ENOKEY "Required key not available"
        cause "the kernel's keyring lacks the key: an encrypted directory, a signed module, a WireGuard peer without an endpoint's allowed address"
        next "list the keys: cat /proc/keys; for WireGuard, check that a peer's allowed IPs cover the destination";

    127 EKEYEXPIRED "Key has expired"
        cause "the key in the kernel's keyring has expired"
        next "list the keys: cat /proc/keys; for NFS or CIFS with Kerberos, get a new ticket";

    128 EKEYREVOKED "Key has been revoked"
        cause "the key in the kernel's keyring was revoked"
        next "list the keys: cat /proc/keys";

    129 EKEYREJECTED "Key was rejected by service"
        cause "the key or signature does not match, for example an unsigned module under Secure Boot"
        next "read the kernel log: journalctl -k -e";

    130 EOWNERDEAD "Owner died"
        cause "the process that held a robust mutex ended without releasing it"
        next "make the protected data consistent, then call pthread_mutex_consistent";

    131 ENOTRECOVERABLE "State not recoverable"
        cause "a robust mutex was released without its data having been made consistent"
        next "destroy the mutex and initialize it again";

    133 EHWPOISON "Memory page has hardware error"
        cause "the memory has a hardware error, so the kernel stopped using the page"
        next "read the kernel log: journalctl -k -e; then replace the memory";
}
