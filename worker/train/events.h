// worker/train/events.h -- figures and pictures over steps as TensorBoard reads them: an event
// file.
//
//     record:  length u64, crc(length) u32, Event, crc(Event) u32
//     Event:   wall_time 1 double, step 2 int64,
//              file_version 3 "brain.Event:2" (the first), or summary 5 { value 1 {...}... }
//     value:   tag 1, and one of
//              simple_value 2 float
//              image 4 { height 1, width 2, colorspace 3, encoded_image_string 4 }
//              histo 5 { min 1, max 2, num 3, sum 4, sum_squares 5: double,
//                        bucket_limit 6, bucket 7: packed doubles }
//
// Numbers are little endian; crc is CRC-32C, rotated by 15 and shifted, as in TensorFlow's record
// files.  A step is one record and one write(2), so that a run that is cut off leaves whole
// records, or a torn one at the end.  Sources: TensorFlow's event.proto, summary.proto,
// record_writer.

#ifndef AK_TRAIN_EVENTS_H
#define AK_TRAIN_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"
#include "worker/train/histogram.h"

#define AK_EVENTS_FOLDER "tensorboard"
#define AK_EVENTS_FILE "events.out.tfevents.akssl"
enum { AK_EVENTS_RECORD = 8 << 20 }; // bytes of a record at most, written or read

typedef struct ak_events ak_events;

// ak_events_open continues folder/tensorboard/run/events.out.tfevents.akssl behind its last record
// of a step up to resume_step: later ones, and whatever is damaged, are cut off.  With -1 it begins
// anew.
akssl_status ak_events_open(ak_events **out, const char *folder, const char *run,
                            int64_t resume_step) AKSSL_MUST_CHECK;

// ak_events_begin starts the record of a step, others add to it, ak_events_end writes it; the time
// in it is only for people to see.  A tag is any text.  ERR_LIMIT, and nothing is written, when it
// has become longer than AK_EVENTS_RECORD.
void ak_events_begin(ak_events *events, int64_t step);
void ak_events_scalar(ak_events *events, const char *tag, double value);

// ak_events_histogram adds one that has any values.
void ak_events_histogram(ak_events *events, const char *tag, const ak_histogram *histogram);

// ak_events_png adds the picture in a PNG file's bytes; its sides are those that they name.
void ak_events_png(ak_events *events, const char *tag, const void *bytes, size_t size);
akssl_status ak_events_end(ak_events *events) AKSSL_MUST_CHECK;

akssl_status ak_events_sync(ak_events *events) AKSSL_MUST_CHECK; // durable
void ak_events_close(ak_events *events);                         // NULL-safe

#endif
