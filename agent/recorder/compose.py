"""The object graph of a recorder, in one place: from a configuration file to a running service.

Order matters: sensors are started first, because they need longest; the spool is recovered meanwhile; the local
interface is loaded only after the first packet has come, or after 5 s without one.
"""

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from agent.evidence import age
from agent.evidence import entries as e
from agent.keys import load_signer
from agent.recorder import clock, spool_lock
from agent.recorder.disk import FolderDisk
from agent.recorder.messages import Draft, Sensor
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.recorder.sensors import SensorReader
from agent.recorder.service import Service, WatchedDisk, as_disk
from agent.recorder.settings import Settings
from agent.recorder.writer import Identity, Writer
from config.items import items_sha256
from config.models import Config

VERSION = "0.1.0"
SENSORS: tuple[Sensor, ...] = ("camera", "microphone", "position")
MIN_RESERVED_BYTES = 1 << 20


def record(config: Config) -> int:
    """Run the recorder until SIGTERM; gives the exit status."""
    spool = Path(config.device.spool)
    spool.mkdir(mode=0o750, parents=True, exist_ok=True)
    held = spool_lock.lock(spool)
    spool_lock.refuse_unsafe(spool)
    posts: list[SensorReader] = []
    service: Service | None = None
    for kind, options in sensors_of(config).items():
        posts.append(SensorReader(kind, options, lambda message: service.post(message) if service else None))
    disk = WatchedDisk(FolderDisk(spool))
    recovered = recover(config, disk)
    service = build(config, disk, recovered)
    service.readers = posts
    running = service
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    status = running.run(lambda: serve_api(running, config.device.socket))
    os.close(held)
    return status


def sensors_of(config: Config) -> Mapping[Sensor, Mapping[str, object]]:
    """Each configured sensor's options for its process."""
    options: dict[Sensor, Mapping[str, object]] = {}
    for kind in SENSORS:
        section = getattr(config, kind)
        if section is not None:
            own = {"device": config.device.id} if kind == "camera" else {}
            options[kind] = {**msgspec.to_builtins(section), **own}
    return options


def recover(config: Config, disk: WatchedDisk, for_recording: bool = True) -> Recovered:
    """What a start does before it records (and ``liuhen recover`` does alone)."""
    boot_id, began_us = clock.boot()
    device = Device(config.device.id, config.device.unit, boot_id, config.record.resume_s, began_us)
    signer = load_signer(Path(config.device.key_dir), config.device.id)
    recovery = Recovery(as_disk(disk), signer, device, clock.system_utc(), clock.boottime_ns, os.urandom)
    return recovery.run(for_recording)


def build(config: Config, disk: WatchedDisk, recovered: Recovered) -> Service:
    """Recorder, writer and service over a recovered spool."""
    recipients = [age.parse_recipient(text) for text in config.trust.recipients]
    identity = Identity(config.device.id, recipients)
    reserve = reserved_bytes(config)
    writer = Writer(as_disk(disk), recovered.ledger, identity, clock.boottime_ns, os.urandom, reserve)
    recorder = Recorder(settings_of(config), recovered.ledger.state, recovered.resume, clock.boottime_ns())
    recorder.note(Draft(start_entry(config, recovered)))
    service = Service(recorder, writer, disk)
    for message in recovered.unasked(clock.boottime_ns()):
        service.post(message)
    return service


def start_entry(config: Config, recovered: Recovered) -> e.Start:
    """The ``start`` entry: with what the recorder runs."""
    return e.Start(
        boot=recovered.ledger.state.boot,
        boot_us=clock.boottime_ns() // 1000,
        version=VERSION,
        config_sha256=config.sha256,
        recipients=list(config.trust.recipients),
        required_tracks=list(config.record.required_tracks),
    )


def settings_of(config: Config) -> Settings:
    """The configuration in the recorder's units."""
    record = config.record
    return Settings(
        prerecord_s=record.prerecord_s,
        prerecord_sound=record.prerecord_sound,
        segment_s=record.segment_s,
        flush_ms=record.flush_ms,
        queue_s=record.queue_s,
        required_tracks=record.required_tracks,
        sensors=frozenset(sensors_of(config)),
        items_sha256=items_sha256(),
        config_sha256=config.sha256,
        silent_ms=record.silent_ms,
        position_silent_ms=record.silent_ms + 3000 * (config.position.interval_s if config.position else 1),
    )


def reserved_bytes(config: Config) -> int:
    """What a segment needs at the configured bit rates, and a tenth more."""
    kbit = sum(section.bitrate_kbit for section in (config.camera, config.microphone) if section is not None)
    return max(MIN_RESERVED_BYTES, kbit * 1000 // 8 * config.record.segment_s * 11 // 10)


def serve_api(service: Service, path: str) -> threading.Thread:
    """Load and start the local interface; the thread that serves it."""
    from agent.recorder import api  # its import costs more than the first fragment may wait

    return api.serve(service, path)
