// Package asset keeps versions of data, models, environments, components and
// code: name:version is a label on a digest that never changes. It resolves
// references, records what they meant to the jobs that asked, and knows which
// versions and artifacts hold a file.
//
// # Names
//
// A name is 1 to 255 of letters, digits, "_", "." and "-", starting with a
// letter or digit. Models are laxer, as MLflow is: anything but "/", ":" and
// control characters.
//
// # What a reference means inside a run
//
// An explicit version is that version. A label (@latest, @champion) means, in
// this order:
//
//  1. what this attempt made (for latest: its newest version; for another
//     label: where this attempt moved it),
//  2. what it meant to this job before, or in an earlier attempt of the run,
//     unless the attempt was asked to refresh,
//  3. what the run made in an earlier attempt,
//  4. what the workspace says now.
//
// The answer is written down as a Pin in the transaction that found it.
package asset
