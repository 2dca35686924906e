/* Which build of a hot function this processor gets. Files with such functions are compiled three times, for x86-64-v2, -v3 and -v4
 * (CMakeLists.txt), and each build puts its level behind their names. */
#ifndef INGEST_CPU_LEVEL_H
#define INGEST_CPU_LEVEL_H

/* name_v2, name_v3 or name_v4. */
#define CPU_LEVEL_CHOOSE(name)                                                                                            \
  (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2") ? name##_v4 \
   : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")                                         ? name##_v3 \
                                                                                                              : name##_v2)

/* The name of a function in the build that is being compiled. */
#ifndef HOT_LEVEL
#define HOT_LEVEL v2
#endif
#define HOT_JOIN_2(name, level) name##_##level
#define HOT_JOIN(name, level) HOT_JOIN_2(name, level)
#define HOT(name) HOT_JOIN(name, HOT_LEVEL)

#endif
