// Package az is the `az` dialect: the words of Azure's command line, over the same
// verbs as `cairn`. Commands are a table; their flags are read as Python's argparse reads
// them, their output is written as knack writes it (packages query and output). What is
// not in the table goes to a real az further down PATH, or is refused by name.
//
// Sources: azure-cli 2.91.0, knack 0.12, the command table of the ml extension.
package az
