/* Threads in lockstep. See team.h. */
#include "tools/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

/* Rounds of spinning before a thread sleeps: some 0.6 ms, as long as the longest phase of a batch. One that sleeps is woken 50 us late,
 * and at the next barrier the others sleep for it. */
#define SPIN_ROUNDS 16000
/* With more threads than processors a spinning thread keeps one from working. */
#define SPIN_ROUNDS_CROWDED 100

struct member {
  struct team *team;
  pthread_t thread;
  unsigned number;
};

struct team {
  unsigned size;
  int spin_rounds;
  void (*work)(void *context, unsigned worker);
  void *context;
  atomic_uint phase;   /* goes up when a phase begins; 0 in the beginning */
  atomic_uint running; /* helpers that are not done with this phase */
  atomic_bool is_ending;
  pthread_mutex_t mutex; /* only for sleeping and waking */
  pthread_cond_t wake_helpers, wake_caller;
  struct member members[];
};

static inline void relax(void) { __builtin_ia32_pause(); }

static void wait_for_phase(struct team *team, unsigned seen) {
  for (int i = 0; i < team->spin_rounds; i++) {
    if (atomic_load_explicit(&team->phase, memory_order_acquire) != seen) return;
    relax();
  }
  pthread_mutex_lock(&team->mutex);
  while (atomic_load(&team->phase) == seen) pthread_cond_wait(&team->wake_helpers, &team->mutex);
  pthread_mutex_unlock(&team->mutex);
}

static void *member_main(void *argument) {
  struct member *member = argument;
  struct team *team = member->team;
  for (unsigned seen = 0;; seen++) {
    wait_for_phase(team, seen);
    if (atomic_load(&team->is_ending)) return NULL;
    team->work(team->context, member->number);
    if (atomic_fetch_sub(&team->running, 1) == 1) {
      pthread_mutex_lock(&team->mutex);
      pthread_cond_signal(&team->wake_caller);
      pthread_mutex_unlock(&team->mutex);
    }
  }
}

static void begin_phase(struct team *team) {
  pthread_mutex_lock(&team->mutex);
  atomic_fetch_add(&team->phase, 1);
  pthread_cond_broadcast(&team->wake_helpers);
  pthread_mutex_unlock(&team->mutex);
}

/* Processors that this process may run on; 1 when that cannot be told. */
static unsigned processor_count(void) {
  cpu_set_t processors;
  return sched_getaffinity(0, sizeof processors, &processors) == 0 ? (unsigned)CPU_COUNT(&processors) : 1;
}

struct team *team_new(unsigned size, struct error *err) {
  struct team *team = memory_zeroed(sizeof *team + size * sizeof team->members[0]);
  pthread_mutex_init(&team->mutex, NULL);
  pthread_cond_init(&team->wake_helpers, NULL);
  pthread_cond_init(&team->wake_caller, NULL);
  team->spin_rounds = size <= processor_count() ? SPIN_ROUNDS : SPIN_ROUNDS_CROWDED;
  team->size = 1;
  for (unsigned i = 1; i < size; i++) {
    team->members[i] = (struct member){.team = team, .number = i};
    int failed = pthread_create(&team->members[i].thread, NULL, member_main, &team->members[i]);
    if (failed) {
      error_set_errno(err, ERROR_INPUT, failed, "cannot start thread %u of %u", i + 1, size);
      team_free(team);
      return NULL;
    }
    team->size = i + 1;
  }
  return team;
}

void team_free(struct team *team) {
  if (!team) return;
  atomic_store(&team->is_ending, true);
  begin_phase(team);
  for (unsigned i = 1; i < team->size; i++) pthread_join(team->members[i].thread, NULL);
  pthread_cond_destroy(&team->wake_caller);
  pthread_cond_destroy(&team->wake_helpers);
  pthread_mutex_destroy(&team->mutex);
  free(team);
}

void team_run(struct team *team, void (*work)(void *context, unsigned worker), void *context) {
  if (team->size == 1) {
    work(context, 0);
    return;
  }
  team->work = work;
  team->context = context;
  atomic_store(&team->running, team->size - 1);
  begin_phase(team);
  work(context, 0);
  for (int i = 0; i < team->spin_rounds; i++) {
    if (atomic_load_explicit(&team->running, memory_order_acquire) == 0) return;
    relax();
  }
  pthread_mutex_lock(&team->mutex);
  while (atomic_load(&team->running) != 0) pthread_cond_wait(&team->wake_caller, &team->mutex);
  pthread_mutex_unlock(&team->mutex);
}
