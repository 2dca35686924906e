/* `bouncemill rules reload`: has a running `bouncemill run` read its rules again, and tells whether the new ones are in force. */
#ifndef TOOLS_RULES_RELOAD_H
#define TOOLS_RULES_RELOAD_H

/* argv[0] is "reload". Returns the exit code. */
int rules_reload_main(int argc, char **argv);

#endif
