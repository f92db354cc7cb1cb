/* temporal_slab.h: what a program may ask of libtemporal_slab.so.
 *
 * A program that includes this header runs with the library and without it: the functions are looked up with
 * dlsym(3) the first time each is called, and where the library is not in the process they answer
 * TSLAB_NOT_LOADED, or 0, and do nothing. Nothing need be linked but -ldl, and that only before glibc 2.34. A
 * program that has the library linked into it, as with libtemporal_slab.a, defines TSLAB_LINKED before it
 * includes the header, and calls them directly.
 *
 * Epochs are windows of allocation time. What is allocated in one epoch shares slabs, and so pages, with
 * other objects of that epoch, so that memory comes free together. The process always has one open epoch,
 * which the library closes on a clock of bytes; a program that knows better when its objects die says so
 * here. A domain is such a window for one thread: while the thread is in it, its objects of the sizes served
 * (64 to 768 bytes by default) share no slab with any others. Closing or destroying any of these frees no
 * object: those that are left stay valid, and any thread may free them at any time.
 *
 * All functions may be called by any thread at any time, from its first to its last instruction, but not from
 * a signal handler. None sets errno. */
#ifndef TEMPORAL_SLAB_H
#define TEMPORAL_SLAB_H

#include <dlfcn.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions below answer where they do nothing. */
enum {
    TSLAB_OK = 0,
    TSLAB_NOT_LOADED = -1, /* the library is not in the process, or passes everything through, or this thread
                              has no memory from it: it ends, or there is none left */
    TSLAB_NO_EPOCH = -2,   /* no such epoch yet, or one so old that nothing is known of it */
    TSLAB_NO_DOMAIN = -3,  /* not a domain, or one that has been destroyed */
    TSLAB_OTHER_THREAD = -4, /* a domain that another thread created */
    TSLAB_ENTERED = -5, /* a domain that the thread is in: it can't be closed, destroyed, or entered once more
                           from one that was entered later */
    TSLAB_NOT_INNERMOST = -6, /* a domain that is not the one entered last and not yet left */
    TSLAB_TOO_MANY = -7       /* 4,095 domains exist, or there is no room for another */
};

enum { TSLAB_LABEL_BYTES = 40 };

enum { TSLAB_EPOCH_OPEN = 1, TSLAB_EPOCH_CLOSED = 2, TSLAB_EPOCH_DRAINED = 3 };

/* An epoch as it is now. Times are in milliseconds, good to about ten. Bytes are of whole slots or pages. */
struct tslab_epoch_info {
    uint64_t epoch;
    uint64_t era;       /* the process's epoch when this was opened: itself, or the one beside a domain's */
    uint64_t age_ms;    /* since it was opened */
    uint64_t closed_ms; /* since it was closed; 0 while it is open */
    uint64_t live_objects;      /* in its slabs */
    uint64_t live_bytes;        /* of their slots */
    uint64_t slabs;             /* that are its own now */
    uint64_t resident_bytes;    /* memory that its slabs hold, those included that are empty and not in use */
    uint64_t reclaimable_bytes; /* of that, pages without an object, on their way back to the kernel */
    uint64_t slabs_opened;      /* since it was opened */
    uint64_t slabs_released;    /* of those, empty since */
    uint64_t slabs_refilled;    /* that a later epoch filled up: they and their objects are its own now */
    int32_t state;              /* TSLAB_EPOCH_… ; drained: closed and without slabs */
    char label[TSLAB_LABEL_BYTES];
};

/* Names a domain until it is destroyed, and no other afterwards. Never 0. */
typedef uint64_t tslab_domain;

#ifdef TSLAB_LINKED
#define TSLAB_FUNCTION(result, absent, name, parameters, arguments) result name parameters;
#else
/* Of `looked`, release pairs with acquire: who finds it set finds `found`. */
#define TSLAB_FUNCTION(result, absent, name, parameters, arguments)                                  \
    static inline result name parameters {                                                           \
        typedef result(*function) parameters;                                                        \
        static char looked;                                                                          \
        static function found;                                                                       \
        if (!__atomic_load_n(&looked, __ATOMIC_ACQUIRE)) {                                           \
            __atomic_store_n(&found, (function)(uintptr_t)dlsym((void*)0, #name), __ATOMIC_RELAXED); \
            __atomic_store_n(&looked, 1, __ATOMIC_RELEASE);                                          \
        }                                                                                            \
        function const call = __atomic_load_n(&found, __ATOMIC_RELAXED);                             \
        if (call) return call arguments;                                                             \
        return absent;                                                                               \
    }
#endif

/* The library's version, such as "0.1.0": a constant string; null where it is not loaded. */
TSLAB_FUNCTION(const char*, 0, tslab_version, (void), ())

/* 1 where `pointer` lies in the address range the library serves requests from, else 0. Says nothing about
 * whether it points to a live object. */
TSLAB_FUNCTION(int, 0, tslab_owns, (const void* pointer), (pointer))

/* The process's open epoch, 1 and up; 0 where nothing is served. Numbers only grow, those of domains in
 * a row of their own: bit 31 is set in theirs and in no others. */
TSLAB_FUNCTION(uint64_t, 0, tslab_epoch_current, (void), ())

/* Closes the process's epoch and opens the next, whose number is returned; 0 where nothing is served. The
 * calling thread's next object lies in a new slab or in one that was filled up; each other thread follows
 * when it next needs room, some tens of objects of a size later. Takes some microseconds. */
TSLAB_FUNCTION(uint64_t, 0, tslab_epoch_advance, (void), ())

/* Gives back the pages of an epoch that hold no object, and closes it first if it is the process's open one.
 * Returns the bytes given back, or an error. A page goes once nothing on it is live or held ready by a
 * thread, and no thread fills its slab now; others follow by themselves. Takes time in proportion to all
 * slabs, and to the pages given back. */
TSLAB_FUNCTION(int64_t, TSLAB_NOT_LOADED, tslab_epoch_close, (uint64_t epoch), (epoch))

/* Names an epoch: the first TSLAB_LABEL_BYTES - 1 bytes of `text` are kept, as long as the epoch is among the
 * last 1,024 of the process, or of domains. One thread at a time for an epoch. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_epoch_label, (uint64_t epoch, const char* text), (epoch, text))

/* Fills `info`. Takes time in proportion to all slabs. Other threads go on meanwhile, so the fields may be a
 * moment apart. Of an epoch that is not among the last 1,024 of the process, or of domains, `era`, the times
 * and `slabs_opened` to `slabs_refilled` are 0. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_epoch_stats, (uint64_t epoch, struct tslab_epoch_info* info),
               (epoch, info))

/* Creates a domain of the calling thread, which only this thread may use; it ends with the thread at the
 * latest. Its free memory serves the domain alone, each size class its own: a domain is for objects that end
 * with it. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_domain_create, (tslab_domain * domain), (domain))

/* What this thread allocates from here on is the domain's, until it leaves it. Domains nest: the one entered
 * last counts. The innermost may be entered again, and is left as often. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_domain_enter, (tslab_domain domain), (domain))

/* Leaves the domain entered last. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_domain_exit, (tslab_domain domain), (domain))

/* The epoch of the objects that the domain allocates now; 0 for no domain. */
TSLAB_FUNCTION(uint64_t, 0, tslab_domain_epoch, (tslab_domain domain), (domain))

/* Ends the domain's epoch and gives back its pages that hold no object. Returns the bytes given back, or an
 * error. Entered again, the domain has a new epoch and new slabs. Takes time in proportion to all slabs, and
 * to the pages given back. */
TSLAB_FUNCTION(int64_t, TSLAB_NOT_LOADED, tslab_domain_close, (tslab_domain domain), (domain))

/* Ends the domain and its epoch. Takes time in proportion to its slabs; pages without objects go back by and
 * by. */
TSLAB_FUNCTION(int, TSLAB_NOT_LOADED, tslab_domain_destroy, (tslab_domain domain), (domain))

#undef TSLAB_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
