/* temporal_slab.h: what a program may ask of libtemporal_slab.so.
 *
 * A program declares these weak, or looks them up with dlsym(3), where it also runs without the library. */
#ifndef TEMPORAL_SLAB_H
#define TEMPORAL_SLAB_H

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, such as "0.1.0": a constant string. Any thread. */
const char* tslab_version(void);

/* 1 where `pointer` lies in the address range the library serves requests from, else 0. Any pointer, any
 * thread; says nothing about whether it points to a live object. */
int tslab_owns(const void* pointer);

#ifdef __cplusplus
}
#endif

#endif
