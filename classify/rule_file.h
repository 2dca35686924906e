/* Reads a file of rules. docs/rules.md describes the format for people. */
#ifndef CLASSIFY_RULE_FILE_H
#define CLASSIFY_RULE_FILE_H

#include "base/yaml.h"
#include "classify/data.h"

/* Adds the rules of the document to the set; notes what is wrong, each with file, line and rule, and leaves that rule out. The document
 * must live as long as the set. */
void rule_file_load(const struct yaml_document *document, const struct provider_table *providers, struct ruleset *set,
                    struct problems *problems);

/* Lower case as replies are normalised, into `out` (as long as the literal). False with err when normalising would change more than
 * case, so that the literal could never be found. */
bool rule_lower_literal(struct slice literal, char *out, struct error *err);

#endif
