/* tools/team: phases on all workers, one after another. */
#include "tools/team.h"

#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/check_main.h"

struct trial {
  atomic_uint runs;
  unsigned plain[8]; /* each worker writes its own; read between phases without a lock */
};

static void work(void *context, unsigned worker) {
  struct trial *trial = context;
  atomic_fetch_add(&trial->runs, 1);
  trial->plain[worker]++;
}

static void sleepy_work(void *context, unsigned worker) {
  usleep(worker * 2000); /* longer than any spinning */
  work(context, worker);
}

static void run_phases(unsigned size, unsigned phases, void (*what)(void *, unsigned)) {
  struct error err = {0};
  struct trial trial = {0};
  struct team *team = team_new(size, &err);
  ck_assert_msg(team != NULL, "%s", err.text);
  for (unsigned i = 1; i <= phases; i++) {
    team_run(team, what, &trial);
    ck_assert_uint_eq(atomic_load(&trial.runs), i * size);
    for (unsigned w = 0; w < size; w++) ck_assert_uint_eq(trial.plain[w], i);
  }
  team_free(team);
}

START_TEST(every_worker_does_each_phase_once) {
  for (unsigned size = 1; size <= 8; size++) run_phases(size, 2000, work);
}
END_TEST

START_TEST(phases_wait_for_the_slowest_worker) { run_phases(3, 20, sleepy_work); }
END_TEST

START_TEST(a_team_that_never_worked_ends) {
  struct error err = {0};
  team_free(team_new(4, &err));
  team_free(NULL);
}
END_TEST

TEST_MAIN(every_worker_does_each_phase_once, phases_wait_for_the_slowest_worker, a_team_that_never_worked_ends)
