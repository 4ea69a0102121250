/*
 * Answers that are coming in, all together: each is bounded by itself, and hundreds of functions
 * that send the largest they may, and slowly, would still take all the memory there is. Beyond the
 * limit the largest has to go; its call is made again later.
 */
#ifndef HOLDFAST_INVOKE_CROWD_H
#define HOLDFAST_INVOKE_CROWD_H

struct call;
struct invoke;

/* Some of the call's answer has come. */
void crowd_grew(struct call *call);
/* It has its outcome; what it holds is given back or taken over. */
void crowd_left(struct call *call);
/* Not within anything that reads an answer. */
void crowd_disperse(struct invoke *invoke);

#endif
