/* The world of generate_postfix.c: which receivers there are, which domains they serve, who sends. Only included there. */
#ifndef BENCH_GENERATE_POSTFIX_WORLD_H
#define BENCH_GENERATE_POSTFIX_WORLD_H

#include <stdint.h>

enum receiver {
  RECEIVER_google,
  RECEIVER_microsoft,
  RECEIVER_yahoo,
  RECEIVER_tencent,
  RECEIVER_netease,
  RECEIVER_apple,
  RECEIVER_gmx,
  RECEIVER_mailru,
  RECEIVER_orange,
  RECEIVER_proofpoint,
  RECEIVER_mimecast,
  RECEIVER_postfix,
  RECEIVER_exim,
  RECEIVER_exchange,
  RECEIVER_sendmail,
  RECEIVER_any,
  RECEIVER_COUNT
};

/* Domains with a share of their own: of 1000 recipients whose domain is one of these, so many. `mx` takes one digit for '#'. */
struct named_domain {
  const char *name, *mx, *ip;
  unsigned weight;
  enum receiver receiver;
};
static const struct named_domain NAMED_DOMAINS[] = {
    {"gmail.com", "gmail-smtp-in.l.google.com", "142.250.27.2#", 380, RECEIVER_google},
    {"outlook.com", "outlook-com.olc.protection.outlook.com", "52.101.73.#", 60, RECEIVER_microsoft},
    {"hotmail.com", "hotmail-com.olc.protection.outlook.com", "52.101.68.#", 90, RECEIVER_microsoft},
    {"live.com", "live-com.olc.protection.outlook.com", "52.101.11.#", 15, RECEIVER_microsoft},
    {"msn.com", "msn-com.olc.protection.outlook.com", "52.101.8.#", 10, RECEIVER_microsoft},
    {"yahoo.com", "mta#.am0.yahoodns.net", "67.195.204.7#", 80, RECEIVER_yahoo},
    {"ymail.com", "mta#.am0.yahoodns.net", "67.195.228.9#", 6, RECEIVER_yahoo},
    {"aol.com", "mx-aol.mail.gm0.yahoodns.net", "67.195.204.8#", 20, RECEIVER_yahoo},
    {"qq.com", "mx#.qq.com", "43.154.54.1#", 90, RECEIVER_tencent},
    {"foxmail.com", "mx#.qq.com", "43.154.54.2#", 8, RECEIVER_tencent},
    {"163.com", "163mx0#.mxmail.netease.com", "117.135.214.1#", 70, RECEIVER_netease},
    {"126.com", "126mx0#.mxmail.netease.com", "117.135.212.1#", 25, RECEIVER_netease},
    {"yeah.net", "yeahmx0#.mxmail.netease.com", "117.135.207.1#", 3, RECEIVER_netease},
    {"icloud.com", "mx0#.mail.icloud.com", "17.57.155.3#", 30, RECEIVER_apple},
    {"me.com", "mx0#.mail.icloud.com", "17.42.251.6#", 6, RECEIVER_apple},
    {"gmx.de", "mx0#.emig.gmx.net", "212.227.15.1#", 20, RECEIVER_gmx},
    {"gmx.net", "mx0#.emig.gmx.net", "212.227.17.#", 8, RECEIVER_gmx},
    {"web.de", "mx-ha0#.web.de", "217.72.192.6#", 20, RECEIVER_gmx},
    {"mail.ru", "mxs.mail.ru", "217.69.139.15#", 22, RECEIVER_mailru},
    {"bk.ru", "mxs.mail.ru", "94.100.180.3#", 4, RECEIVER_mailru},
    {"orange.fr", "smtp-in.orange.fr", "80.12.26.3#", 12, RECEIVER_orange},
    {"wanadoo.fr", "smtp-in.orange.fr", "80.12.26.4#", 7, RECEIVER_orange},
    {"comcast.net", "mx#.mxge.comcast.net", "96.102.18.14#", 14, RECEIVER_proofpoint},
};
#define NAMED_DOMAIN_COUNT (sizeof NAMED_DOMAINS / sizeof *NAMED_DOMAINS)

/* What the other domains' mail servers are, of 100; '~' in mx is the domain with hyphens, '@' the domain itself, '$' an id. */
struct hosting {
  const char *mx, *ip;
  unsigned weight;
  enum receiver receiver;
};
static const struct hosting HOSTINGS[] = {
    {"aspmx.l.google.com", "142.251.9.2#", 22, RECEIVER_google},
    {"~.mail.protection.outlook.com", "52.101.$.1#", 28, RECEIVER_microsoft},
    {"mx0a-00$.pphosted.com", "148.163.1#.$", 5, RECEIVER_proofpoint},
    {"eu-smtp-inbound-#.mimecast.com", "195.130.217.#", 4, RECEIVER_mimecast},
    {"mxbiz#.qq.com", "43.129.253.1#", 4, RECEIVER_tencent},
    {"mx.@", "185.2#.$.1#", 14, RECEIVER_postfix},
    {"mail.@", "94.13#.$.2#", 12, RECEIVER_exim},
    {"exchange.@", "81.2#.$.3#", 7, RECEIVER_exchange},
    {"smtp.@", "62.7#.$.4#", 4, RECEIVER_sendmail},
};
#define HOSTING_COUNT (sizeof HOSTINGS / sizeof *HOSTINGS)

/* Parts of domain and user names; a domain's name is made of its rank, so it is the same in every run. */
static const char *const WORDS[64] = {
    "alpha",  "north",  "river",  "green",   "stone",   "blue",    "apex",   "nova",   "metro",   "union",   "summit",
    "delta",  "orbit",  "cedar",  "harbor",  "lumen",   "pixel",   "quartz", "terra",  "vector",  "zenith",  "amber",
    "boreal", "cobalt", "drift",  "ember",   "falcon",  "granite", "helix",  "indigo", "juniper", "kestrel", "linden",
    "maple",  "nimbus", "onyx",   "prairie", "raven",   "sierra",  "tundra", "umbra",  "violet",  "willow",  "yonder",
    "atlas",  "bridge", "canyon", "dawn",    "echo",    "forge",   "grove",  "haven",  "iron",    "jade",    "keystone",
    "lotus",  "meadow", "nectar", "opal",    "pioneer", "quest",   "ridge",  "solar",  "trail"};
static const char *const SUFFIXES[16] = {"com",    "com",   "com", "com", "net", "org",    "de",    "fr",
                                         "com.cn", "co.uk", "it",  "nl",  "cn",  "com.br", "co.jp", "edu"};
static const char *const FIRST_NAMES[32] = {"anna", "ben",  "carla", "david", "elena",  "frank",   "grace", "hans",
                                            "ines", "jack", "kate",  "liam",  "maria",  "noah",    "olga",  "peter",
                                            "qing", "rosa", "sam",   "tina",  "ugo",    "vera",    "wei",   "xin",
                                            "yan",  "zoe",  "info",  "sales", "office", "contact", "li",    "wang"};

struct reply {
  const char *dsn, *form, *text;
};

#endif
