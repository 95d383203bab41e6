//! How commands find the channels.

use super::Engine;
use super::channel_api::{ChannelCommand, ChannelNumber, ChannelReply};
use super::channel_state::Channel;
use super::cx::{Alarm, Cx, context};
use super::doors::Doors;
use super::say;
use crate::body::Content;
use crate::error::ErrorKind;

impl Engine {
    pub(crate) fn on_channel_command(&mut self, command: ChannelCommand) -> Result<ChannelReply, ErrorKind> {
        let mut cx = context!(self);
        let (channels, doors) = (&mut self.channels, &self.doors);
        match command {
            ChannelCommand::Create(name) => return channels.create(&name, &mut cx),
            ChannelCommand::Follow(link) => return channels.follow(link, &mut cx),
            ChannelCommand::Link(number) => {
                return Ok(ChannelReply::Link(channels.get(number)?.link.encode()));
            }
            ChannelCommand::Leave(number) => channels.leave(number, &mut cx)?,
            ChannelCommand::Post(number, text) => {
                return channels.get(number)?.post(Content::Text(text), doors, &mut cx);
            }
            ChannelCommand::PostFile { channel, name, media, data } => {
                let file = say::file(name, media, &data)?;
                return channels.get(channel)?.post(file, doors, &mut cx);
            }
            ChannelCommand::List => return Ok(ChannelReply::Channels(channels.infos())),
            ChannelCommand::Older(number) => channels.get(number)?.older(&mut cx)?,
            ChannelCommand::MarkRead(number, seq) => {
                let channel = channels.get(number)?;
                channel.seen = channel.seen.max(seq);
                cx.write(channel.save());
            }
        }
        Ok(ChannelReply::Done)
    }

    /// Runs `act` on one channel, beside the doors.
    pub(crate) fn on_channel(
        &mut self,
        number: ChannelNumber,
        act: impl FnOnce(&mut Channel, &Doors, &mut Cx<'_>),
    ) {
        let mut cx = context!(self);
        if let Ok(channel) = self.channels.get(number) {
            act(channel, &self.doors, &mut cx);
        }
    }

    /// After the start: looks at each channel once.
    pub(crate) fn start_channels(&mut self) {
        let (channels, mut cx) = self.with_channels();
        for number in channels.numbers() {
            cx.alarm_by(Alarm::Channel(number), 0);
        }
    }
}
