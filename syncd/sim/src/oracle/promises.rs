//! What a router owes when it takes over, or when the other one yields: every flow that was acknowledged before lives
//! on in its kernel.

use std::collections::BTreeSet;

use syncd_core::filter::Filter;
use syncd_core::flow::{Flow, TcpState};
use syncd_core::replica::{Replica, Role};
use syncd_core::time::Instant;

use super::{Known, Oracle, Verdict, agrees, external_names, holds_copy, peer_bound};
use crate::host::Host;
use crate::kernel::Name;
use crate::trace::Side;

impl Oracle {
    /// `side` is about to be told that it is primary.
    /// What it `preloads` is in its kernel, and leaves its external cache later than a commit is done.
    pub fn takes_over(&mut self, side: Side, hosts: &[Host; 2], now: Instant, preloads: bool) -> Verdict {
        let Some(replica) = hosts[side.index()].replica() else { return Ok(()) };
        if replica.role() == Role::Primary {
            return Ok(());
        }
        self.sides[side.index()].announced.release();
        // From now on they leave the external cache one by one.
        let acknowledged = std::mem::take(&mut self.sides[side.other().index()].acknowledged);
        let peer = &self.sides[side.other().index()];
        let (own, known) = (&hosts[side.index()], &self.sides[side.index()]);
        let host = &hosts[side.other().index()];
        let kernel = &host.kernel;
        let keeps = |flow: &Flow| host.replica().is_some_and(|replica| holds_copy(replica, flow));
        // A later life of the same flow was not acknowledged.
        let lives = |(name, at): &(&Name, &Instant)| match &peer.last_will {
            Some(will) => will.get(name).is_some_and(|born| born <= at),
            None => {
                // What it merely keeps for `side` is nothing of its own.
                kernel.get(name).is_some_and(|flow| !keeps(flow))
                    && !host.overlooks(name)
                    && kernel.born(name).is_some_and(|born| born <= **at)
            }
        };
        // What it keeps in its kernel may have ended there: packets came before anybody said why, or the table was full. What
        // it has heard of it owes. While the event waits, or is lost, nobody can know, and who is to be ready at once cannot
        // look at each flow: what is missing so is written when the table was read (`Replica::release`). Nor can it know of
        // what found no room in its cache of what is here.
        let takes_for_living = |name: &Name| known.unnamed.has(name) || own.believes_in(name);
        let unheard = |name: &Name| preloads && own.kernel.has_let_go(name) && takes_for_living(name);
        let owed = acknowledged.iter().filter(lives).map(|(name, _)| *name);
        let held = external_names(replica);
        let had_no_room =
            |name: &Name| known.unkept.has(name) || peer.unnamed.has(name) && !held.contains(name);
        let promised: BTreeSet<Name> = owed.filter(|name| !(unheard(name) || had_no_room(name))).collect();
        let here = |name: &Name| preloads && hosts[side.index()].kernel.lived_since(name, now);
        if let Some(name) = promised.iter().find(|name| !(held.contains(name) || here(name))) {
            return Err(format!("{} takes over and lacks the acknowledged {name:?}", self.name(side)));
        }
        self.takes_over_expectations(side, replica, &promised, host, now)?;
        self.sides[side.index()].promised = Some((now, promised));
        Ok(())
    }

    /// `side` hears that its peer, which was primary too, steps back: what began there lives on here.
    pub fn yielded(&mut self, side: Side, hosts: &[Host; 2], now: Instant) {
        let (host, peer) = (&hosts[side.index()], &hosts[side.other().index()]);
        let Some(replica) = host.replica().filter(|replica| replica.role() == Role::Primary) else { return };
        if self.sides[side.index()].adopting.is_some() {
            return;
        }
        // What it has written while it stood by was in its kernel, and has ended there: what lives on its peer names.
        let external = replica.external();
        let unwritten = external.iter_from(0).filter(|(slot, _)| !external.is_written(*slot));
        let flows = unwritten.map(|(_, entry)| entry.flow);
        let free = |tuple: Name| host.kernel.find(&tuple).is_none();
        // What ended here a moment ago, and nobody has said so yet, it takes for living.
        let unknown = |flow: &Flow| !replica.internal().has(&flow.key());
        let known = &self.sides[side.index()];
        let history = &self.sides[side.other().index()].history;
        // What is held may be of a life before, whose end is on its way. Of one that was born since, the peer may hear when it
        // stands by already, and tell of it when it is asked; or that birth is on its way behind the end.
        let ends = |flow: &Flow| {
            let name = Name::of(flow);
            let told = history.get(&name).map_or(&[][..], Vec::as_slice);
            let told = &told[peer_bound(known, &name).min(told.len())..];
            let held = told.iter().position(|told| agrees(*told, Some(flow)));
            told[held.unwrap_or(0)..].contains(&None)
        };
        let names = flows
            .filter(|flow| !is_over(flow) && unknown(flow) && free(Name::of(flow)) && free(Name::reply(flow)))
            .filter(|flow| !ends(flow))
            .map(|flow| Name::of(&flow))
            // Of a life that its daemon has not heard of, the peer has not told: what is held is of one before.
            .filter(|name| {
                peer.kernel.get(name).is_some() && !peer.lags_behind(name) && !peer.overlooks(name)
            });
        self.sides[side.index()].adopting = Some((now, names.collect()));
    }

    /// An operator has changed what `side` replicates: of what is kept out nothing is owed any more.
    pub fn narrowed(&mut self, side: Side, hosts: &[Host; 2], filter: &Filter) {
        let kernel = &hosts[side.index()].kernel;
        let kept = |name: &Name| kernel.get(name).is_none_or(|flow| filter.accepts(flow));
        self.sides[side.index()].acknowledged.retain(|name, _| kept(name));
        Side::BOTH.into_iter().for_each(|side| self.sides[side.index()].announced.narrow(kept));
        let peer = &mut self.sides[side.other().index()];
        for (_, names) in [&mut peer.promised, &mut peer.adopting].into_iter().flatten() {
            names.retain(|name| kept(name));
        }
    }

    /// A commit of `side` is done.
    pub(super) fn committed(&mut self, side: Side, replica: &Replica, hosts: &[Host; 2]) -> Verdict {
        let (host, peer) = (&hosts[side.index()], &hosts[side.other().index()]);
        let [first, second] = &mut self.sides;
        let (known, told) = match side {
            Side::First => (first, second),
            Side::Second => (second, first),
        };
        let external = replica.external();
        let refused = external.iter_from(0).filter(|(slot, _)| external.failure(*slot).is_some());
        let refused = crate::kernel::names(refused.map(|(_, entry)| &entry.flow));
        if let Some((since, names)) = known.promised.take() {
            // Whoever lives may have told of a flow again meanwhile.
            let held = if told.last_will.is_some() { refused.clone() } else { external_names(replica) };
            let kept = |name: &&Name| host.kernel.lived_since(name, since) || held.contains(name);
            if let Some(name) = names.iter().find(|name| !kept(name)) {
                return Err(format!("{} committed and lost the acknowledged {name:?}", known.name));
            }
            self.kept += names.len() as u64;
            return Ok(());
        }
        if let Some((since, names)) = known.adopting.take() {
            // That life of it, whatever was born there since.
            let ended = |name: &Name| {
                peer.kernel.get(name).is_none() || peer.kernel.born(name).is_some_and(|born| born > since)
            };
            // Other jobs may have been first, and the flow over meanwhile.
            let over = external.iter_from(0).map(|(_, entry)| &entry.flow).filter(|flow| is_over(flow));
            let over = crate::kernel::names(over);
            // What found no room in its cache it does not name, and so it is swept here.
            let held = external_names(replica);
            let unnamed = |name: &Name| told.unnamed.has(name) && !held.contains(name);
            let excused =
                |name: &Name| refused.contains(name) || over.contains(name) || ended(name) || unnamed(name);
            let kept = |name: &&Name| host.kernel.lived_since(name, since) || excused(name);
            if let Some(name) = names.iter().find(|name| !kept(name)) {
                return Err(format!("{} did not adopt {name:?}", known.name));
            }
            self.adopted += names.len() as u64;
        }
        Ok(())
    }

    /// What is still promised in the end.
    #[must_use]
    pub fn owed(&self) -> Option<String> {
        let owes = |known: &&Known| known.adopting.as_ref().is_some_and(|(_, names)| !names.is_empty());
        let known = self.sides.iter().find(owes)?;
        Some(format!("{} has not adopted what its peer yielded", known.name))
    }
}

/// Whether no more packets of the flow are expected.
fn is_over(flow: &Flow) -> bool {
    [TcpState::TIME_WAIT, TcpState::CLOSE].contains(&flow.tcp_state)
}
