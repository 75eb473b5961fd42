// Package predlog keeps the requests and answers of one stage in segment files,
// predictions/NNNNNN.seg. The id of a prediction names the segment and the offset
// of its record, so that it is read without any index.
//
// One process writes, in groups: callers that come while the disk works share the
// next fdatasync. Readers of any process look at the same files meanwhile. Each
// start of the writer begins a segment of its own, so that an id is never given
// twice, not even where a crash took the first record that had it.
package predlog
