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
from agent.recorder.alarms import AlarmSettings
from agent.recorder.asking import AskSettings
from agent.recorder.care import CareSettings
from agent.recorder.checkup import CheckSettings, Keys
from agent.recorder.deadline import DeadlineSettings
from agent.recorder.disk import FolderDisk
from agent.recorder.index import NAME
from agent.recorder.keeping import keep_settings, load_of
from agent.recorder.messages import Child, Draft
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.recorder.sensors import SensorReader
from agent.recorder.service import Service, WatchedDisk, as_disk
from agent.recorder.settings import Settings
from agent.recorder.watch import WatchSettings
from agent.recorder.writer import Identity, Writer
from config.items import items_sha256
from config.models import Config

VERSION = "0.1.0"
CHILDREN: tuple[Child, ...] = ("camera", "microphone", "position", "signals", "power", "storage")
MIN_RESERVED_BYTES = 1 << 20


def record(config: Config) -> int:
    """Run the recorder until SIGTERM; gives the exit status."""
    spool = Path(config.device.spool)
    spool.mkdir(mode=0o750, parents=True, exist_ok=True)
    held = spool_lock.lock(spool)
    spool_lock.refuse_unsafe(spool)
    posts: list[SensorReader] = []
    service: Service | None = None
    for kind, options in children_of(config).items():
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


def children_of(config: Config) -> Mapping[Child, Mapping[str, object]]:
    """The options of each configured sensor, and of the speaker, for its process."""
    options: dict[Child, Mapping[str, object]] = {}
    for kind in CHILDREN:
        section = getattr(config, kind)
        if section is not None:
            own = {"camera": {"device": config.device.id}, "storage": {"spool": config.device.spool}}.get(kind, {})
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
    spool = Path(config.device.spool)
    service = Service(recorder, writer, disk, index=recovered.ledger.index(spool / NAME, FolderDisk(spool)))
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
        sensors=frozenset(children_of(config)) - {"signals", "power", "storage"},
        items_sha256=items_sha256(),
        config_sha256=config.sha256,
        silent_ms=record.silent_ms,
        position_silent_ms=record.silent_ms + 3000 * (config.position.interval_s if config.position else 1),
        watch=watch_of(config),
        keep=keep_settings(config),
        load=load_of(config, reserved_bytes(config)),
        duties=True,
        ask=ask_of(config),
        alarm=alarm_of(config),
        language=config.signals.language if config.signals else "zh",
        utc_offset_min=config.ask.utc_offset_min,
        care=care_of(config),
    )


def care_of(config: Config) -> CareSettings:
    """``[check]`` and ``[deadline]``, as the recorder takes them; the signing key was read before this is asked for."""
    check, deadline = msgspec.to_builtins(config.check), msgspec.to_builtins(config.deadline)
    return CareSettings(
        parts=frozenset(children_of(config)),
        position_required="position" in config.record.required_tracks,
        check=CheckSettings(**{name: check[name] for name in CheckSettings.__dataclass_fields__}),
        deadline=DeadlineSettings(**{name: deadline[name] for name in DeadlineSettings.__dataclass_fields__}),
        keys=Keys("", len(config.trust.receipt_keys)),
    )


def watch_of(config: Config) -> WatchSettings:
    """``[watch]``, as the recorder takes it."""
    watch = msgspec.to_builtins(config.watch)
    return WatchSettings(**{name: watch[name] for name in WatchSettings.__dataclass_fields__})


def ask_of(config: Config) -> AskSettings:
    """``[ask]``, as the recorder takes it."""
    ask = msgspec.to_builtins(config.ask)
    return AskSettings(**{name: ask[name] for name in AskSettings.__dataclass_fields__})


def alarm_of(config: Config) -> AlarmSettings:
    """``[alarm]``, as the recorder takes it; how long saying a sentence may take stands in ``[ask]``."""
    alarm = {**msgspec.to_builtins(config.alarm), "prompt_s": config.ask.prompt_s}
    return AlarmSettings(**{name: alarm[name] for name in AlarmSettings.__dataclass_fields__})


def reserved_bytes(config: Config) -> int:
    """What a segment needs at the configured bit rates, and a tenth more."""
    kbit = sum(section.bitrate_kbit for section in (config.camera, config.microphone) if section is not None)
    return max(MIN_RESERVED_BYTES, kbit * 1000 // 8 * config.record.segment_s * 11 // 10)


def serve_api(service: Service, path: str) -> threading.Thread:
    """Load and start the local interface; the thread that serves it."""
    from agent.recorder import api  # its import costs more than the first fragment may wait

    return api.serve(service, path)
