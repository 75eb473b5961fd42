package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// lineLimit bounds one event of a stream.
const lineLimit = 16 << 20

// streamLine is one line of an event stream: an event, a sign of life, or its
// proper end. A stream without an end was cut, and is taken up again.
type streamLine struct {
	cairn.Event
	Alive bool         `json:"alive,omitempty"`
	End   bool         `json:"end,omitempty"`
	Err   *cairn.Error `json:"error,omitempty"`
}

func (c *Client) follow(ctx context.Context, path string, after int64) iter.Seq2[cairn.Event, error] {
	return func(yield func(cairn.Event, error) bool) {
		cut := 0
		for {
			resp, err := c.send(ctx, http.MethodGet, path+"?follow=true&after="+strconv.FormatInt(after, 10), nil)
			if err != nil {
				yield(cairn.Event{}, err)
				return
			}
			sc := bufio.NewScanner(resp.Body)
			sc.Buffer(make([]byte, 64<<10), lineLimit)
			for sc.Scan() {
				var l streamLine
				if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
					break
				}
				switch {
				case l.Err != nil:
					resp.Body.Close()
					yield(cairn.Event{}, l.Err)
					return
				case l.End:
					resp.Body.Close()
					return
				case l.Alive:
				default:
					after, cut = l.Seq, 0
					if !yield(l.Event, nil) {
						resp.Body.Close()
						return
					}
				}
			}
			resp.Body.Close()
			if ctx.Err() != nil {
				yield(cairn.Event{}, c.wrap(ctx, ctx.Err()))
				return
			}
			cut++
			if err := pause(ctx, backoff(cut)); err != nil {
				yield(cairn.Event{}, c.wrap(ctx, err))
				return
			}
		}
	}
}

// logReader reads a step's log and takes it up again where the owner went away.
type logReader struct {
	ctx    context.Context
	c      *Client
	path   string
	offset int64
	follow bool
	body   io.ReadCloser
	cut    int
	ended  func() bool
}

func (l *logReader) open() error {
	q := "?offset=" + strconv.FormatInt(l.offset, 10)
	if l.follow {
		q += "&follow=true"
	}
	resp, err := l.c.send(l.ctx, http.MethodGet, l.path+q, nil)
	if err != nil {
		return err
	}
	l.body = resp.Body
	// The trailer tells a log that is complete from an answer that was cut.
	l.ended = func() bool { return resp.Trailer.Get(LogEnd) != "" }
	return nil
}

// LogEnd is the trailer of a log that was sent to its end.
const LogEnd = "Cairn-Log-End"

func (l *logReader) Read(p []byte) (int, error) {
	for {
		n, err := l.body.Read(p)
		l.offset += int64(n)
		if n > 0 {
			l.cut = 0
			return n, nil
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && l.ended():
			return 0, io.EOF
		case l.ctx.Err() != nil:
			return 0, l.c.wrap(l.ctx, l.ctx.Err())
		}
		l.body.Close()
		l.cut++
		if err := pause(l.ctx, min(backoff(l.cut), 200*time.Millisecond)); err != nil {
			return 0, l.c.wrap(l.ctx, err)
		}
		if err := l.open(); err != nil {
			return 0, err
		}
	}
}

func (l *logReader) Close() error { return l.body.Close() }
