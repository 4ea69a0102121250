/* The scripts. Each is there for a schedule that once did, or might, lose something. */
#include "crashpoints/script.h"

static const struct script scripts[] = {
    {"first-start", "an empty directory becomes a data directory, and is opened again",
     "open; close; open; append 1 40; commit; close; open; close"},
    {"groups", "commits one after the other, some waited for, some not",
     "open; append 3 60; commit; append 1 10; group; append 2 90; group; append 4 30; commit;"
     "append 1 0; commit; append 5 200; group; kill; open; append 2 20; commit; close"},
    {"roll-over", "groups that end in a segment, fill it, and go over into the next and the next",
     "open; append 6 500; commit; append 8 900; commit; append 3 300; commit; append 12 900; group;"
     "append 9 700; commit; append 1 3500; commit; append 2 4000; commit; append 1 9000; commit; "
     "close;"
     "open; append 1 10; commit; close"},
    {"torn-in-the-middle", "long groups over several sectors, whose middle may be missing",
     "open; append 1 50; commit; append 10 400; commit; append 1 2000; group; append 6 600; commit;"
     "kill; open; append 7 500; commit; append 1 20; commit; kill; open; append 3 60; commit"},
    {"seal", "idle times: a seal, and what comes after it",
     "open; append 2 50; commit; sleep 150; append 1 30; commit; sleep 150; sleep 150; append 3 60;"
     "group; sleep 150; close; open; sleep 150; append 1 1; commit; sleep 150; kill; open; close"},
    {"snapshots", "full and incremental snapshots, and block files that are written anew",
     "open; append 10 100; commit; snapshot all; append 3 100; commit; snapshot; append 1 100; "
     "commit;"
     "snapshot; append 20 100; commit; snapshot; close; open; append 2 50; commit; snapshot;"
     "append 30 40; commit; snapshot all; append 1 10; commit; snapshot; close"},
    {"trim", "what a snapshot covers goes, its files are used again",
     "open; append 9 900; commit; append 9 900; commit; snapshot; trim; append 9 900; commit; "
     "sleep 1;"
     "append 9 900; commit; snapshot; trim; append 20 900; commit; snapshot; trim; sleep 1; append "
     "9 900;"
     "commit; close; open; append 9 900; commit; snapshot; trim; append 9 900; commit; kill; open; "
     "close"},
    {"trim-while-writing", "segments are put aside while others are made and filled",
     "open; append 20 900; commit; snapshot; trim; append 9 900; group; append 9 900; commit; "
     "begin;"
     "append 9 900; group; finish; append 3 10; commit; wait; trim; append 20 900; commit; close"},
    {"kill-and-go-on", "kills between the steps; what was not synced is still there to be read",
     "open; kill; open; append 3 60; commit; kill; open; append 8 900; commit; snapshot; kill; "
     "open; trim;"
     "append 8 900; group; kill; open; append 1 5; commit; begin; kill; open; snapshot; trim; "
     "kill; open;"
     "append 4 900; commit; kill; open; close"},
    {"full-disk", "no room for the next segment, then there is again",
     "open; append 3 60; commit; full 1; append 9 900; group; sleep 500; append 9 400; group; "
     "sleep 500;"
     "room; commit; append 3 60; commit; snapshot; full 0; append 20 900; group; sleep 300; close; "
     "room;"
     "open; append 2 20; commit; close"},
    {"full-disk-snapshot", "no room for a snapshot; one that is given up",
     "open; append 20 300; commit; snapshot; full 0; append 1 30; group; sleep 300; snapshot all; "
     "room; commit;"
     "snapshot all; trim; append 1 10; commit; begin; append 4 10; commit; close; open; snapshot; "
     "close"},
    {"repair-journal", "a segment is damaged and cut by hand",
     "open; append 9 500; commit; append 9 500; commit; append 2 50; commit; close; damage "
     "journal; repair;"
     "open; append 3 60; commit; close; open; close"},
    {"repair-snapshot", "the newest snapshot is damaged, and the journal is whole",
     "open; append 9 100; commit; snapshot; append 3 100; commit; close; damage snapshot; repair; "
     "open;"
     "append 3 60; commit; snapshot; close; damage manifest; repair; open; append 1 10; commit; "
     "close"},
    {"random", "steps that follow from the seed", NULL},
};

const struct script *script_at(size_t index)
{
    return index < sizeof scripts / sizeof *scripts ? &scripts[index] : NULL;
}
