/* classify/provider: who really receives. */
#include "classify/provider.h"

#include <stdio.h>

#include "tests/unit/check_main.h"

static const char TABLE[] =
    "providers:\n"
    "  - {id: big, name: Big, mx: [big.example], domains: [big.com]}\n"
    "  - {id: big-consumer, name: Big at home, mx: [olc.big.example], domains: []}\n";

/* The table and a cache over it, for one test. */
struct fixture {
  struct yaml_document *document;
  struct data_tables data;
  struct provider_cache *cache;
  struct provider_found found;
};

static void setup(struct fixture *f) {
  struct error err;
  struct problems problems = {0};
  *f = (struct fixture){.document = yaml_new(slice_from_cstr(TABLE), "providers.yaml", &err)};
  data_load_providers(&f->data.providers, f->document, &problems);
  ck_assert_uint_eq(problems.count, 0);
  f->cache = provider_cache_new(&f->data.providers);
}

static void teardown(struct fixture *f) {
  provider_cache_free(f->cache);
  data_deinit(&f->data);
  yaml_document_free(f->document);
}

/* Asks twice: the second answer comes from the cache. */
static void check(struct fixture *f, const char *relay, const char *recipient, const char *expected) {
  for (unsigned i = 0; i < 2; i++) {
    struct provider_key key = provider_prefetch(f->cache, slice_from_cstr(relay));
    provider_find(f->cache, &key, slice_from_cstr(relay), slice_from_cstr(recipient), &f->found);
    if (expected)
      ck_assert_slice_eq(f->found.name, expected);
    else
      ck_assert_msg(slice_is_absent(f->found.name), "%s gives %.*s", relay ? relay : "none", SLICE_ARG(f->found.name));
  }
}

START_TEST(longest_suffix_of_the_mx_host_wins_on_label_boundaries) {
  struct fixture f;
  setup(&f);
  check(&f, "mx1.big.example", "a@b.org", "big");
  check(&f, "MX1.Big.Example.", "a@b.org", "big");
  check(&f, "big.example", "a@b.org", "big");
  check(&f, "x.olc.big.example", "a@b.org", "big-consumer");
  check(&f, "mx.notbig.example", "a@b.org", "notbig.example");
  teardown(&f);
}
END_TEST

START_TEST(mx_host_beats_recipient_domain_and_domain_beats_public_suffix) {
  struct fixture f;
  setup(&f);
  check(&f, "x.olc.big.example", "a@big.com", "big-consumer");
  check(&f, "mail.example.co.uk", "a@BIG.com", "big");
  check(&f, "mail.example.co.uk", "a@other.com", "example.co.uk");
  teardown(&f);
}
END_TEST

START_TEST(no_relay_and_addresses_leave_the_domain_table) {
  struct fixture f;
  setup(&f);
  check(&f, NULL, "a@b.org", NULL);
  check(&f, NULL, "a@big.com", "big");
  check(&f, "192.0.2.1", "a@b.org", NULL);
  check(&f, "[192.0.2.1]", "a@b.org", NULL);
  check(&f, "2001:db8::1", "a@big.com", "big");
  check(&f, "192.0.2.1", NULL, NULL);
  teardown(&f);
}
END_TEST

START_TEST(own_transports_are_local) {
  struct fixture f;
  setup(&f);
  check(&f, "local", "a@b.org", "local");
  check(&f, "virtual", "a@b.org", "local");
  check(&f, "dovecot", "a@big.com", "big");
  teardown(&f);
}
END_TEST

START_TEST(nonsense_is_no_provider) {
  struct fixture f;
  setup(&f);
  char host[400];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0', host[10] = '.';
  check(&f, host, "a@b.org", NULL);
  check(&f, "co.uk", "a@b.org", NULL);
  check(&f, ".", "@", NULL);
  check(&f, "a b.example", "a@b.org", NULL);
  check(&f, "..", "a@b.org", NULL);
  teardown(&f);
}
END_TEST

START_TEST(more_hosts_than_the_cache_holds_keep_their_answers) {
  struct fixture f;
  setup(&f);
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < 20000; i++) {
      char relay[64], domain[64];
      snprintf(relay, sizeof relay, "mx.host%u.com", i);
      snprintf(domain, sizeof domain, "host%u.com", i);
      struct provider_key key = provider_prefetch(f.cache, slice_from_cstr(relay));
      provider_find(f.cache, &key, slice_from_cstr(relay), SLICE("a@b.org"), &f.found);
      ck_assert_slice_eq(f.found.name, domain);
    }
  }
  char relay[200] = "mx.", *label = relay + 3;
  memset(label, 'x', 60);
  strcpy(label + 60, ".com");
  check(&f, relay, "a@b.org", label);
  teardown(&f);
}
END_TEST

TEST_MAIN(longest_suffix_of_the_mx_host_wins_on_label_boundaries, mx_host_beats_recipient_domain_and_domain_beats_public_suffix,
          no_relay_and_addresses_leave_the_domain_table, own_transports_are_local, nonsense_is_no_provider,
          more_hosts_than_the_cache_holds_keep_their_answers)
