// The other side of `npm run bench sse`: server-sent events by Go's net/http. peer
//
// /written: events that are written down already, through the buffer that net/http has. /large: through one of 64 KiB in
// front of it. /json: each event marshalled. /flushed: written down, with a flush after each, as most servers do it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

type metadata struct {
	Type   string `json:"type"`
	Index  int    `json:"index"`
	TaskID string `json:"taskId"`
}

type chunk struct {
	SessionID string   `json:"sessionId"`
	Chunk     string   `json:"chunk"`
	Metadata  metadata `json:"metadata"`
}

type frame struct {
	Type string `json:"type"`
	Data chunk  `json:"data"`
	Seq  int    `json:"seq"`
	Part int    `json:"part"`
}

func stream(size int, write func(w io.Writer, index int, flush func())) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.URL.Query().Get("count"))
		w.Header().Set("Content-Type", "text/event-stream")
		flush := w.(http.Flusher).Flush
		if size == 0 {
			for index := 0; index < count; index++ {
				write(w, index, flush)
			}
			return
		}
		buffered := bufio.NewWriterSize(w, size)
		for index := 0; index < count; index++ {
			write(buffered, index, flush)
		}
		buffered.Flush()
	}
}

func main() {
	text := strings.Repeat("x", 12)
	event := []byte(fmt.Sprintf("id: 1000000.0\ndata: {\"type\":\"stream_chunk\",\"data\":{\"sessionId\":\"s0000000\",\"chunk\":%q,\"metadata\":{\"type\":\"text\",\"index\":0,\"taskId\":\"t0000000\"}},\"seq\":1000000,\"part\":0}\n\n", text))
	written := func(w io.Writer, _ int, _ func()) { w.Write(event) }
	http.HandleFunc("/written", stream(0, written))
	http.HandleFunc("/large", stream(64*1024, written))
	http.HandleFunc("/flushed", stream(0, func(w io.Writer, _ int, flush func()) {
		w.Write(event)
		flush()
	}))
	http.HandleFunc("/json", stream(0, func(w io.Writer, index int, _ func()) {
		seq := 1000000 + index
		data, _ := json.Marshal(frame{"stream_chunk", chunk{"s0000000", text, metadata{"text", 0, "t0000000"}}, seq, 0})
		fmt.Fprintf(w, "id: %d.0\ndata: %s\n\n", seq, data)
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	os.Stdout.Sync()
	panic(http.Serve(listener, nil))
}
