/**
 * What a phone system reports, in one vocabulary for all of them. AMI, CEL and CDR readers all emit these; a call is the
 * fold of all of its events, and the fold is idempotent and does not depend on the order of arrival, so the same call
 * may be reported live, again from CEL, and once more from CDR.
 */

/** Where an event was read. `cdr` has whole seconds and no bridges, so it never overrules the others. */
export type EventOrigin = 'ami' | 'cel' | 'cdr' | 'resync' | 'webhook';

/** Every event concerns one channel of one call. */
export interface EventHead {
  /** The configured name of the phone system. */
  readonly source: string;
  readonly origin: EventOrigin;
  /** When it happened, by the phone system's clock: milliseconds since the epoch, with a fraction where known. */
  readonly at: number;
  /** Asterisk's linkedid at that moment; it may change during the life of a channel. */
  readonly linkedId: string;
  /** The channel's uniqueid. Null where only the name is known (the `dstchannel` of a CDR row). */
  readonly uniqueId: string | null;
  /** The channel's name at that moment, e.g. `PJSIP/101-00000003`; it may change (masquerade). */
  readonly channel: string;
}

/** A channel exists. Sent for new channels and, after a reconnect, for those found alive. */
export interface ChannelStarted extends EventHead {
  readonly type: 'started';
  /** True when the channel called in or was originated by us; false when the PBX dials it; null when the source cannot tell. */
  readonly isCalling: boolean | null;
  readonly context: string;
  /** What was dialled; empty or `s` on channels that the PBX dials. */
  readonly exten: string;
  readonly callerNumber: string;
  readonly callerName: string;
  readonly accountCode: string;
}
export interface ChannelRinging extends EventHead {
  readonly type: 'ringing';
}
export interface ChannelAnswered extends EventHead {
  readonly type: 'answered';
}
/** AMI DialBegin: the channel is being dialled by another. */
export interface ChannelDialed extends EventHead {
  readonly type: 'dialed';
  /** Null when the dialling channel is not named (an originate). */
  readonly byUniqueId: string | null;
  /** As given to Dial, without the technology: `101`, `provider/79161110002`. */
  readonly dialString: string;
}
/** The attempt to reach the channel ended. */
export interface DialEnded extends EventHead {
  readonly type: 'dial-ended';
  /** ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL, … as Asterisk says it. */
  readonly status: string;
  /** Where the phone forwarded the call to (302), `number` or `number@context`. */
  readonly forward: string | null;
}
export interface BridgeEntered extends EventHead {
  readonly type: 'bridge-entered';
  readonly bridgeId: string;
  /** Technology or creator, where known: `holding_bridge`, `softmix`, `simple_bridge`, `Parking`… */
  readonly bridgeType: string | null;
}
export interface BridgeLeft extends EventHead {
  readonly type: 'bridge-left';
  readonly bridgeId: string;
}
/** The channel runs a dialplan application that matters to us (Dial, Queue, VoiceMail, Park, ConfBridge, Pickup, …). */
export interface AppStarted extends EventHead {
  readonly type: 'app';
  readonly app: string;
  readonly args: string;
  readonly context: string;
  readonly exten: string;
}
export interface BlindTransferred extends EventHead {
  /** The channel is the transferer's. */
  readonly type: 'blind-transfer';
  readonly toExten: string;
  readonly toContext: string;
  readonly transfereeUniqueId: string | null;
}
export interface AttendedTransferred extends EventHead {
  /** The channel is the transferer's first leg; the second leg may belong to another linkedid. */
  readonly type: 'attended-transfer';
  readonly secondUniqueId: string | null;
  readonly secondLinkedId: string | null;
}
export interface PickedUp extends EventHead {
  /** The channel is the one that picks up. */
  readonly type: 'pickup';
  readonly targetUniqueId: string | null;
  readonly targetChannel: string | null;
}
export interface RecordingStarted extends EventHead {
  readonly type: 'recording';
  /** The file as Asterisk names it; absolute where known. */
  readonly path: string;
}
/** A channel variable that concerns us (`RL_…`, and the ones that announce a recording or a mailbox). */
export interface VariableSet extends EventHead {
  readonly type: 'variable';
  readonly variable: string;
  readonly value: string;
}
/** The phone of this channel put the other side on hold, or took it back. */
export interface HoldChanged extends EventHead {
  readonly type: 'hold';
  readonly isHeld: boolean;
}
/** The party on the other side of the channel, as the phone shows it. */
export interface ConnectedLine extends EventHead {
  readonly type: 'connected-line';
  readonly number: string;
  readonly name: string;
}
export interface ChannelHungUp extends EventHead {
  readonly type: 'hung-up';
  /** Q.850 cause; null where unknown. */
  readonly cause: number | null;
  /** The dial status of the channel that dialled, where the source knows it (CEL `extra`, CDR disposition). */
  readonly dialStatus: string | null;
}
/** CEL LINKEDID_END, or a resync that no longer finds any channel of the call. */
export interface CallEnded extends EventHead {
  readonly type: 'call-ended';
}

export type PbxEvent =
  | ChannelStarted
  | ChannelRinging
  | ChannelAnswered
  | ChannelDialed
  | DialEnded
  | BridgeEntered
  | BridgeLeft
  | AppStarted
  | BlindTransferred
  | AttendedTransferred
  | PickedUp
  | RecordingStarted
  | VariableSet
  | HoldChanged
  | ConnectedLine
  | ChannelHungUp
  | CallEnded;
