// worker/train/events.h -- scalars over steps as TensorBoard reads them: an event file.
//
//     record:  length u64, crc(length) u32, Event, crc(Event) u32       little endian; crc:
//     CRC-32C, Event:   wall_time 1 double, step 2 int64,                        rotated by 15 and
//     shifted,
//              file_version 3 "brain.Event:2" (the first), or           as TensorFlow's record
//              files summary 5 { value 1 { tag 1, simple_value 2 float }... }
//
// A step is one record and one write(2), so that a run that is cut off leaves whole records, or a
// torn one at the end.  Sources: TensorFlow's event.proto, summary.proto, record_writer.

#ifndef AK_TRAIN_EVENTS_H
#define AK_TRAIN_EVENTS_H

#include <stdint.h>

#include "akssl/status.h"

#define AK_EVENTS_FOLDER "tensorboard"
#define AK_EVENTS_FILE "events.out.tfevents.akssl"

typedef struct ak_events ak_events;

// ak_events_open continues folder/tensorboard/run/events.out.tfevents.akssl behind its last record
// of a step up to resume_step: later ones, and whatever is damaged, are cut off.
akssl_status ak_events_open(ak_events **out, const char *folder, const char *run,
                            int64_t resume_step) AKSSL_MUST_CHECK;

// ak_events_begin starts the record of a step, ak_events_scalar adds to it, ak_events_end writes
// it; the time in it is only for people to see.  A tag is any text.
void ak_events_begin(ak_events *events, int64_t step);
void ak_events_scalar(ak_events *events, const char *tag, double value);
akssl_status ak_events_end(ak_events *events) AKSSL_MUST_CHECK;

akssl_status ak_events_sync(ak_events *events) AKSSL_MUST_CHECK; // durable
void ak_events_close(ak_events *events);                         // NULL-safe

#endif
