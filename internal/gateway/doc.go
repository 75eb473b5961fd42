// Package gateway is the process of one stage, `cairn _stage DIR`. It owns the
// stage's port, starts and watches the program that answers, switches to the
// next one without losing a request, and keeps the prediction log.
//
// It needs nothing but its folder: the server that started it may be gone. It is
// told what to do over HTTP on a socket (control.go). The programs run in sessions
// of their own and write their output to files, so that they survive a kill -9 of
// this process; the next one reads state.json and takes them over by pid, start
// time and boot. What state.json does not name is found by its mark, and ended.
package gateway
