/* Finds all patterns of a set in each reply, as RE2::Set does it, with 256 MiB for its automata. Driven by bench/run.
 *
 *   re2_set_peer PATTERNS REPLIES SECONDS
 *
 * Files and output as of regex_set_peer. */
#include <re2/set.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int64_t CACHE_BYTES = 256 << 20;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<std::string> read_lines(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: re2_set_peer PATTERNS REPLIES SECONDS\n"), 2;
  RE2::Options options;
  options.set_max_mem(CACHE_BYTES);
  RE2::Set set(options, RE2::UNANCHORED);
  double begun = seconds_now();
  for (const std::string &pattern : read_lines(argv[1])) {
    std::string why;
    if (set.Add(pattern, &why) < 0) return std::fprintf(stderr, "%s: %s\n", pattern.c_str(), why.c_str()), 3;
  }
  if (!set.Compile()) return std::fprintf(stderr, "patterns do not compile in 256 MiB\n"), 3;
  double built = seconds_now() - begun;
  std::vector<std::pair<int, std::string>> replies;
  for (const std::string &line : read_lines(argv[2]))
    replies.emplace_back(std::atoi(line.c_str()), line.substr(line.find('\t') + 1));
  /* One pass, so that the lazy automaton has its states; given up where that takes too long. */
  double limit = std::atof(argv[3]), took = 0;
  std::vector<int> matches;
  begun = seconds_now();
  for (size_t i = 0; i < replies.size() && seconds_now() - begun < 3 * limit; i++) set.Match(replies[i].second, &matches);
  size_t missed = 0, count = 0, found = 0;
  for (begun = seconds_now(); took < limit; took = seconds_now() - begun) {
    for (size_t i = 0; i < 16; i++, count++) {
      const auto &[wanted, text] = replies[count % replies.size()];
      set.Match(text, &matches);
      bool is_found = wanted < 0;
      for (int match : matches) is_found = is_found || match == wanted;
      missed += !is_found;
      found += matches.size();
    }
  }
  std::printf("{\"ns_per_reply\": %.1f, \"build_s\": %.2f, \"found_per_reply\": %.2f, \"missed\": %zu}\n",
              took * 1e9 / (double)count, built, (double)found / (double)count, missed);
  return 0;
}
