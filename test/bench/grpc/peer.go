// The grpc-go side of `npm run bench grpc`, with messages as raw bytes, so that it needs no generated code.
//
//	peer serve SOCKET            answers /bench.v1.Bench/Unary and /bench.v1.Bench/Stream
//	peer unary SOCKET AT_ONCE MS prints calls a second and the 99th percentile in microseconds
//	peer stream SOCKET SUBSCRIBERS COUNT SIZE prints messages a second of all subscribers together
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
)

type rawCodec struct{}

func (rawCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = data
	return nil
}
func (rawCodec) Name() string   { return "proto" }
func (rawCodec) String() string { return "proto" }

const unaryBytes = 1024

func handle(_ interface{}, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	method, _ := grpc.MethodFromServerStream(stream)
	if method == "/bench.v1.Bench/Unary" {
		answer := make([]byte, unaryBytes)
		return stream.SendMsg(&answer)
	}
	count := binary.BigEndian.Uint32(request)
	message := make([]byte, binary.BigEndian.Uint32(request[4:]))
	for i := uint32(0); i < count; i++ {
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return nil
}

func serve(path string) {
	listener, err := net.Listen("unix", path)
	check(err)
	server := grpc.NewServer(grpc.CustomCodec(rawCodec{}), grpc.UnknownServiceHandler(handle))
	fmt.Println("ready")
	check(server.Serve(listener))
}

func dial(path string) *grpc.ClientConn {
	connection, err := grpc.Dial("localhost", grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	check(err)
	return connection
}

func unary(path string, atOnce int, limit time.Duration) {
	connection := dial(path)
	call := func() {
		request, answer := []byte{}, []byte{}
		check(connection.Invoke(context.Background(), "/bench.v1.Bench/Unary", &request, &answer))
	}
	for i := 0; i < 2000; i++ {
		call()
	}
	var lock sync.Mutex
	var all []time.Duration
	var group sync.WaitGroup
	began := time.Now()
	for i := 0; i < atOnce; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			var own []time.Duration
			for time.Since(began) < limit {
				at := time.Now()
				call()
				own = append(own, time.Since(at))
			}
			lock.Lock()
			all = append(all, own...)
			lock.Unlock()
		}()
	}
	group.Wait()
	took := time.Since(began)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	fmt.Println(int(float64(len(all))/took.Seconds()), all[len(all)*99/100].Microseconds())
}

func stream(path string, subscribers int, count, size uint32) {
	connection := dial(path)
	request := make([]byte, 8)
	binary.BigEndian.PutUint32(request, count)
	binary.BigEndian.PutUint32(request[4:], size)
	var group sync.WaitGroup
	began := time.Now()
	for i := 0; i < subscribers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			events, err := connection.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, "/bench.v1.Bench/Stream")
			check(err)
			check(events.SendMsg(&request))
			check(events.CloseSend())
			received := uint32(0)
			for {
				var message []byte
				if err := events.RecvMsg(&message); err == io.EOF {
					break
				} else {
					check(err)
				}
				received++
			}
			if received != count {
				log.Fatalf("%d messages, not %d", received, count)
			}
		}()
	}
	group.Wait()
	fmt.Println(int(float64(subscribers) * float64(count) / time.Since(began).Seconds()))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(i int) int {
	value, err := strconv.Atoi(os.Args[i])
	check(err)
	return value
}

func main() {
	switch path := os.Args[2]; os.Args[1] {
	case "serve":
		serve(path)
	case "unary":
		unary(path, number(3), time.Duration(number(4))*time.Millisecond)
	case "stream":
		stream(path, number(3), uint32(number(4)), uint32(number(5)))
	}
}
