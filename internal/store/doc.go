// Package store keeps Cairn's rows. It is the only room that speaks SQL.
//
// One file per subject holds the methods that one room needs; the room that
// consumes them declares the interface, and *Store satisfies it by shape.
//
// Rules that every method follows:
//   - A mutating method takes a cairn.Change and applies it in its own
//     transaction (Tx.Change): the row, its event, its links and its effects
//     are there together or not at all.
//   - Writes go through Store.write: one goroutine, BEGIN IMMEDIATE, group
//     commit with a savepoint per caller; it returns after the commit is on disk.
//   - Reads go through Store.reads, a pool of read-only connections.
//   - SQL is portable: ? placeholders, no AUTOINCREMENT (ids come from the
//     counters table), times as BIGINT microseconds since 1970 UTC (see Micros),
//     JSON as TEXT. Rows keep what is searched in columns and the whole noun as
//     JSON in "body".
//   - A missing row is a *cairn.Error with CodeNotFound; a lost compare-and-set
//     or a taken name is CodeConflict.
package store
