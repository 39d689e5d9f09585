package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/server"
	utilexec "k8s.io/utils/exec"
)

// runKubelet serves what an API server asks of a node: logs, exec, attach and port-forward. The HTTP server, the
// streaming server behind it and the reader of log files are Kubernetes' own; the containers are not: a command runs
// as a process of this machine, in a folder of its own, and a port of a Pod is that port of loopback.
//
// The folder has one folder for each container, NAMESPACE/POD/CONTAINER. Whoever tests writes there, in the format of
// the CRI, `log` and, for a container that was restarted, `previous.log`. A container in whose folder there is a file
// `ended` does not run, which ends those that follow its log.
func runKubelet(arguments []string) error {
	flags := flag.NewFlagSet("kubelet", flag.ContinueOnError)
	port := flags.Int("port", 0, "where to listen, on loopback")
	certificate := flags.String("tls-cert-file", "", "the server's certificate")
	key := flags.String("tls-private-key-file", "", "its key")
	kubeconfig := flags.String("kubeconfig", "", "where Pods are read")
	folder := flags.String("folder", "", "where the containers' folders are")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		return err
	}
	node := &node{client: client, folder: *folder}
	if err := node.startStreaming(); err != nil {
		return err
	}
	settings := &kubeletconfig.KubeletConfiguration{
		Address:                 "127.0.0.1",
		Port:                    int32(*port),
		EnableDebuggingHandlers: true,
	}
	handler := server.NewServer(context.Background(), node, nil, nil, nil, nil, settings)
	listening := &http.Server{
		Addr:      fmt.Sprintf("127.0.0.1:%d", *port),
		Handler:   &handler,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	return listening.ListenAndServeTLS("", "")
}

// node is the host of the kubelet's server, and the runtime of its streaming server. What is not overridden is not
// asked for here, and would panic.
type node struct {
	server.HostInterface
	client    kubernetes.Interface
	folder    string
	streaming streaming.Server
}

func (n *node) startStreaming() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config := streaming.DefaultConfig
	config.Addr = listener.Addr().String()
	n.streaming, err = streaming.NewServer(config, n)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, n.streaming) }()
	return nil
}

func (n *node) SyncLoopHealthCheck(*http.Request) error { return nil }

func (n *node) GetPodByName(namespace, name string) (*v1.Pod, bool) {
	pod, err := n.client.CoreV1().Pods(namespace).Get(context.Background(), name, metav1.GetOptions{})
	return pod, err == nil
}

// GetKubeletContainerLogs reads a container's log as kubelet_pods.go and kuberuntime_container.go do.
func (n *node) GetKubeletContainerLogs(
	ctx context.Context, fullName, container string, asked *v1.PodLogOptions, stdout, stderr io.Writer,
) error {
	name, namespace, err := kubecontainer.ParsePodFullName(fullName)
	if err != nil {
		return err
	}
	pod, found := n.GetPodByName(namespace, name)
	if !found {
		return fmt.Errorf("pod %q cannot be found - no logs available", name)
	}
	id := containerID(pod, container)
	path := n.path(id, "log")
	if asked.Previous {
		path = n.path(id, "previous.log")
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("previous terminated container %q in pod %q not found", container, name)
		}
	} else if err := hasLog(pod, container); err != nil {
		return err
	}
	// So that the head of the answer goes out although nothing was logged yet.
	if stdout != nil {
		if _, err := stdout.Write([]byte{}); err != nil {
			return err
		}
	}
	options := logOptions(asked, time.Now())
	return logs.ReadLogs(ctx, path, id, options, &states{node: n}, stdout, stderr)
}

// logOptions is toLogOptions of kuberuntime_logs.go, which is not exported.
func logOptions(asked *v1.PodLogOptions, now time.Time) *logs.LogOptions {
	options := &logs.LogOptions{
		TailLines: asked.TailLines, LimitBytes: asked.LimitBytes, Follow: asked.Follow, Timestamp: asked.Timestamps,
	}
	if asked.SinceTime != nil {
		options.Since = asked.SinceTime.Time
	}
	if asked.SinceSeconds != nil {
		options.Since = now.Add(-time.Duration(*asked.SinceSeconds) * time.Second)
	}
	return options
}

var waitingWords = map[string]string{
	"ErrImagePull":     "image can't be pulled",
	"ImagePullBackOff": "trying and failing to pull image",
}

// hasLog says why a container that was never started has no log, in the kubelet's words.
func hasLog(pod *v1.Pod, container string) error {
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if status.Name != container {
			continue
		}
		if waiting := status.State.Waiting; waiting != nil && status.LastTerminationState.Terminated == nil {
			reason := waiting.Reason
			if words, known := waitingWords[reason]; known {
				reason = words
			}
			return fmt.Errorf("container %q in pod %q is waiting to start: %v", container, pod.Name, reason)
		}
		return nil
	}
	return fmt.Errorf("container %q in pod %q is not available", container, pod.Name)
}

// containerID names a container by its place in the folder.
func containerID(pod *v1.Pod, container string) string {
	return strings.Join([]string{pod.Namespace, pod.Name, container}, "/")
}

func (n *node) path(id, name string) string {
	return filepath.Join(n.folder, filepath.FromSlash(id), name)
}

// running is the folder's name of a container that runs, which alone can be entered.
func (n *node) running(fullName, container string) (string, error) {
	name, namespace, err := kubecontainer.ParsePodFullName(fullName)
	if err != nil {
		return "", err
	}
	pod, found := n.GetPodByName(namespace, name)
	if !found {
		return "", fmt.Errorf("pod not found (%q)", fullName)
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container && status.State.Running != nil {
			id := containerID(pod, container)
			return id, os.MkdirAll(n.path(id, ""), 0o700)
		}
	}
	return "", fmt.Errorf("container not found (%q)", container)
}

func (n *node) GetExec(
	_ context.Context, fullName string, _ types.UID, container string, command []string, options remotecommand.Options,
) (*url.URL, error) {
	id, err := n.running(fullName, container)
	if err != nil {
		return nil, err
	}
	answer, err := n.streaming.GetExec(&runtimeapi.ExecRequest{
		ContainerId: id, Cmd: command,
		Tty: options.TTY, Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr,
	})
	if err != nil {
		return nil, err
	}
	return url.Parse(answer.Url)
}

func (n *node) GetAttach(
	_ context.Context, fullName string, _ types.UID, container string, options remotecommand.Options,
) (*url.URL, error) {
	id, err := n.running(fullName, container)
	if err != nil {
		return nil, err
	}
	answer, err := n.streaming.GetAttach(&runtimeapi.AttachRequest{
		ContainerId: id,
		Tty:         options.TTY, Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr,
	})
	if err != nil {
		return nil, err
	}
	return url.Parse(answer.Url)
}

func (n *node) GetPortForward(
	_ context.Context, name, namespace string, _ types.UID, options portforward.V4Options,
) (*url.URL, error) {
	answer, err := n.streaming.GetPortForward(&runtimeapi.PortForwardRequest{
		PodSandboxId: namespace + "/" + name, Port: options.Ports,
	})
	if err != nil {
		return nil, err
	}
	return url.Parse(answer.Url)
}

// Exec runs a command and connects it; its exit code goes back as an ExitError.
func (n *node) Exec(
	ctx context.Context, id string, arguments []string,
	in io.Reader, out, errors io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize,
) error {
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Dir = n.path(id, "")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + command.Dir, "HOSTNAME=" + strings.Split(id, "/")[1]}
	if tty {
		return exitError(runInTerminal(command, in, out, resize))
	}
	return exitError(runWithPipes(command, in, out, errors))
}

// Attach starts the container's own command for whoever attaches: there is no container that it could run in already.
func (n *node) Attach(
	ctx context.Context, id string,
	in io.Reader, out, errors io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize,
) error {
	parts := strings.Split(id, "/")
	pod, found := n.GetPodByName(parts[0], parts[1])
	if !found {
		return fmt.Errorf("pod %q is gone", parts[1])
	}
	spec := kubecontainer.GetContainerSpec(pod, parts[2])
	arguments := append(append([]string{}, spec.Command...), spec.Args...)
	if len(arguments) == 0 {
		return fmt.Errorf("container %q names no command", spec.Name)
	}
	return n.Exec(ctx, id, arguments, in, out, errors, tty, resize)
}

// PortForward connects to the same port of loopback; each half ends by itself.
func (n *node) PortForward(_ context.Context, _ string, port int32, stream io.ReadWriteCloser) error {
	connected, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer connected.Close()
	go func() {
		_, _ = io.Copy(connected, stream)
		_ = connected.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, connected)
	return err
}

func runWithPipes(command *exec.Cmd, in io.Reader, out, errors io.Writer) error {
	command.Stdout, command.Stderr = out, errors
	if in != nil {
		// Not command.Stdin: its end would then be waited for, and a client may never send it.
		input, err := command.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(input, in)
			_ = input.Close()
		}()
	}
	return command.Run()
}

func runInTerminal(
	command *exec.Cmd, in io.Reader, out io.Writer, resize <-chan remotecommand.TerminalSize,
) error {
	terminal, err := pty.Start(command)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range resize {
			_ = pty.Setsize(terminal, &pty.Winsize{Cols: size.Width, Rows: size.Height})
		}
	}()
	if in != nil {
		go func() { _, _ = io.Copy(terminal, in) }()
	}
	_, _ = io.Copy(out, terminal) // ends with EIO when the last process has closed the terminal
	return command.Wait()
}

func exitError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

// states tells the reader of logs whether a container runs still.
type states struct {
	internalapi.RuntimeService
	node *node
}

func (s *states) ContainerStatus(
	_ context.Context, id string, _ bool,
) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_RUNNING
	if _, err := os.Stat(s.node.path(id, "ended")); err == nil {
		state = runtimeapi.ContainerState_CONTAINER_EXITED
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{Id: id, State: state}}, nil
}
