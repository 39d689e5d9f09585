"""What kubectl's typed commands send, read as the JSON that they would have been: bodies recorded from kubectl 1.32."""

from __future__ import annotations

import pytest

from backends.embedded.protobuf import MAGIC, decode

DEPLOYMENT = bytes.fromhex(  # kubectl create deployment web2 -n play --image=nginx:1.27 --replicas=0 --port=80
    "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412c5010a250a047765623212001a04706c617922002a00320038004200"
    "5a0b0a03617070120477656232128d010800120d0a0b0a036170701204776562321a720a1d0a0012001a0022002a003200380042005a0b0a"
    "03617070120477656232125112330a056e67696e78120a6e67696e783a312e32372a00320a0a001000185022002a0042006a007200800100"
    "880100900100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a0c080010001800200028"
    "0038001a002200"
)
SERVICE = bytes.fromhex(  # kubectl create service clusterip s2 --tcp=80:http -n play
    "6b3873000a0d0a027631120753657276696365126d0a210a02733212001a04706c617922002a003200380042005a090a0361707012027332"
    "12440a1e0a0738302d6874747012035443501850220a080110001a0468747470280012090a03617070120273321a002209436c7573746572"
    "49503a00420052005a00600068001a020a001a002200"
)
SECRET = bytes.fromhex(  # kubectl create secret generic s9 -n play --from-literal=p=q
    "6b3873000a0c0a027631120653656372657412220a160a02733912001a04706c617922002a0032003800420012060a01701201711a001a00"
    "2200"
)
QUOTA = bytes.fromhex(  # kubectl create quota q9 -n play --hard=cpu=1
    "6b3873000a130a027631120d5265736f7572636551756f746112280a160a02713912001a04706c617922002a003200380042"
    "00120c0a0a0a0363707512030a01311a001a002200"
)


def test_a_zero_behind_a_pointer_is_kept_and_any_other_is_left_out() -> None:
    obj = decode(DEPLOYMENT)
    assert (obj["apiVersion"], obj["kind"]) == ("apps/v1", "Deployment")
    assert obj["metadata"] == {"name": "web2", "namespace": "play", "labels": {"app": "web2"}}
    assert obj["spec"]["replicas"] == 0
    assert "minReadySeconds" not in obj["spec"]
    assert obj["spec"]["selector"] == {"matchLabels": {"app": "web2"}}
    (container,) = obj["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "nginx", "image": "nginx:1.27", "ports": [{"containerPort": 80}], "resources": {}}


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        (SERVICE, ("spec", "ports"), [{"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}]),
        (SECRET, ("data",), {"p": "cQ=="}),
        (QUOTA, ("spec", "hard"), {"cpu": "1"}),
    ],
)
def test_special_types_come_out_as_in_json(body: bytes, path: tuple[str, ...], value: object) -> None:
    found = decode(body)
    for key in path:
        found = found[key]
    assert found == value


def test_fields_of_an_embedded_struct_stand_among_the_outer_ones() -> None:
    """A ConfigMap's reference in an env var: its name is in a message of its own (LocalObjectReference)."""
    reference = b"\x0a\x03\x0a\x01c" + b"\x12\x01k"  # {1: {1: "c"}, 2: "k"}
    source = b"\x1a" + bytes([len(reference)]) + reference  # EnvVarSource.configMapKeyRef
    env = b"\x0a\x01E\x1a" + bytes([len(source)]) + source
    pod = _wrapped(_wrapped(_wrapped(env, 7), 2), 2)
    body = MAGIC + _wrapped(b"\x0a\x02v1\x12\x03Pod", 1) + _wrapped(pod, 2)
    (container,) = decode(body)["spec"]["containers"]
    (variable,) = container["env"]
    assert variable == {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}


def _wrapped(raw: bytes, number: int) -> bytes:
    return bytes([number << 3 | 2, len(raw)]) + raw


def test_a_body_that_is_cut_off_is_refused() -> None:
    whole = len(SECRET) - len(bytes.fromhex("1a002200"))  # what follows is the envelope's own, and empty
    named = SECRET.index(b"Secret") + len(b"Secret")
    for cut in [*range(named), *range(named + 1, whole)]:
        with pytest.raises(ValueError, match=r"EOF|expected prefix|no kind"):
            decode(SECRET[:cut])


def test_another_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match='no kind "Nothing" is registered for version "v1"'):
        decode(MAGIC + _wrapped(b"\x0a\x02v1\x12\x07Nothing", 1))
