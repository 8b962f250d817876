"""Neural process: a Gaussian latent for what a person is like, and attention from each item to the person's events.

In the line of TaNP (Lin et al., "Task-adaptive Neural Process for User Cold-Start Recommendation", WWW 2021) and of
Kim et al., "Attentive Neural Processes", ICLR 2019. With n = Σ_s |g_s|, φ(s) the vector of an event's item, g_s its
grade:

    p = t(n) Σ_s g_s φ(s) / (n₀ + n) + P·profile,     h = p + layer(p, log(1 + n)),
    z ~ N(μ, σ²), μ and σ by a layer of (p, log(1 + n)),
    u = (1 + Γz) ⊙ h + Bz,    score(j) = w_jᵀu + Σ_s a_js g_s (r_jᵀ v_s) + b_j,
    a_js = exp(q_jᵀ k_s) / (1 + Σ_s' exp(q_jᵀ k_s')).

Trained on −log p(query | z) + KL(N of support and query ‖ N of the support); adapting takes the latter's mean. The 1
in the attention is for items that no event concerns, so that a support without events is an ordinary case.
Differs: z is drawn from the posterior for a part of the tasks only and from the prior for the others, or the decoder
never meets a z of few events (Foong et al., NeurIPS 2020, train on such draws alone). Events are encoded by a table
and a linear map of the content, times the grade, so that encoding hundreds of them is one product. There are
no deviations of scores: σ hardly narrows with the number of events, so it is no measure of what is not known.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Episode, Task
from firstlight.models.base import Ground, Weights
from firstlight.models.starts import leading_vectors

LEAST_DEVIATION = 0.05
"""Of the latent; the largest is 1."""
LARGEST_EXPONENT = 30.0
"""Of the attention: what is larger counts as this."""


class NeuralProcess(EpisodicLearner):
    """latent_size: of z. attention_size: of queries, keys and values. hidden: width of the layers.

    divergence: what the Kullback-Leibler divergence counts. from_prior: the share of the tasks whose z is drawn from
    the prior while training. The other settings are those of `EpisodicLearner`.
    """

    name: ClassVar[str] = "neural-process"
    summary: ClassVar[str] = "a Gaussian latent of the support, and attention from each item to the events"

    steps: int = 300
    batch: int = 128
    learning_rate: float = 2e-2
    latent_size: int = 32
    attention_size: int = 16
    hidden: int = 128
    divergence: float = 1.0
    from_prior: float = 0.5

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        vectors = leading_vectors(ground.corpus, ground.chosen, self.embedding_size, chance)
        (items, size), latent = vectors.shape, self.latent_size

        def layer(outputs: int, inputs: int, scale: float) -> Tensor:
            made: Tensor = scale * torch.randn(outputs, inputs, generator=chance) / inputs**0.5
            return made

        key = layer(self.attention_size, size, 1.0)
        return {
            "events": vectors,
            "candidates": vectors.clone(),
            "events_content": torch.zeros(ground.content.shape[1], size),
            "candidates_content": torch.zeros(ground.content.shape[1], size),
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "bias": torch.zeros(items),
            "log_count": torch.tensor(0.5),
            "log_gain": torch.tensor([0.5, 0.2]),
            "key": key,
            "query": key.clone(),
            "value": layer(self.attention_size, size, 1.0),
            "readout": layer(self.attention_size, size, 1.0),
            "first": layer(self.hidden, size + 1, 0.6),
            "second": layer(size, self.hidden, 0.1),
            "latent_first": layer(self.hidden, size + 1, 1.4),
            "latent_second": layer(2 * latent, self.hidden, 0.5),
            "gate": layer(size, latent, 0.1),
            "shift": layer(size, latent, 0.1),
        }

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """With what is known of each item in place of the tables and maps that it is made of."""
        events = weights["events"] + ground.content @ weights["events_content"]
        candidates = weights["candidates"] + ground.content @ weights["candidates_content"]
        made = {"events": events, "candidates": candidates}
        made |= {name: events @ weights[name].T for name in ("key", "value")}
        made |= {name: candidates @ weights[name].T for name in ("query", "readout")}
        return {name: value for name, value in weights.items() if not name.endswith("content")} | made

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        person = encoded(tensors, task)
        return decoded(tensors, task, person, latent_of(tensors, person).mean)

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        """The loss of the query with a z drawn at random, and the divergence of its two Gaussians."""
        tensors = self.settled(weights, ground)
        person = encoded(tensors, episode.task)
        prior, posterior = latent_of(tensors, person), latent_of(tensors, encoded(tensors, episode.whole()))
        # An episode has been drawn at random: its numbers are seed enough, and the same for the same step.
        chance = torch.Generator().manual_seed(int(episode.query.sum()) % 2**31)
        noise = torch.randn(prior.mean.shape, generator=chance).to(prior.mean)
        blind = (torch.rand(len(noise), 1, generator=chance) < self.from_prior).to(noise.device)
        z = torch.where(blind, prior.mean + prior.deviation * noise, posterior.mean + posterior.deviation * noise)
        loss = self.query_loss(decoded(tensors, episode.task, person, z), episode, ground)
        weight = (episode.query_grades != 0).sum(1).clamp(min=1).to(loss.dtype).sqrt()
        apart = (divergence(posterior, prior) / weight).sum() / weight.sum()
        return loss + self.divergence * apart, {}


class Encoded(NamedTuple):
    """state: (T, D + 1) p and log(1 + n). hidden: (T, D) h."""

    state: Tensor
    hidden: Tensor


class Latent(NamedTuple):
    """mean, deviation: (T, L) of a Gaussian with independent dimensions."""

    mean: Tensor
    deviation: Tensor


def encoded(tensors: Weights, task: Task) -> Encoded:
    """What is made of the support and the profile."""
    given = task.grades.new_zeros(len(task.grades), len(tensors["events"]))
    total = given.scatter_add(1, task.columns, task.grades) @ tensors["events"]
    count = task.grades.abs().sum(1, keepdim=True)
    gain = torch.exp(tensors["log_gain"][0] + tensors["log_gain"][1] * count.log1p())
    person = gain * total / (tensors["log_count"].exp() + count) + task.profile @ tensors["profile"]
    state = torch.cat([person * task.keep, count.log1p()], 1)
    return Encoded(state, state[:, :-1] + torch.relu(state @ tensors["first"].T) @ tensors["second"].T)


def latent_of(tensors: Weights, person: Encoded) -> Latent:
    """The Gaussian of z."""
    found = torch.relu(person.state @ tensors["latent_first"].T) @ tensors["latent_second"].T
    mean, width = found.chunk(2, 1)
    return Latent(mean, LEAST_DEVIATION + (1 - LEAST_DEVIATION) * torch.sigmoid(width))


def decoded(tensors: Weights, task: Task, person: Encoded, z: Tensor) -> Tensor:
    """(T, M) the logits for a latent (T, L)."""
    taste = (1 + z @ tensors["gate"].T) * person.hidden + z @ tensors["shift"].T
    return taste @ tensors["candidates"].T + attended(tensors, task) + tensors["bias"]


def attended(tensors: Weights, task: Task) -> Tensor:
    """(T, M): what the attention of the items to the events adds. Row by row of the events that there are."""
    owner, slot = task.grades.nonzero(as_tuple=True)
    column, grade = task.columns[owner, slot], task.grades[owner, slot]
    near = (tensors["key"][column] @ tensors["query"].T).clamp(max=LARGEST_EXPONENT).exp()
    says = (tensors["value"][column] * grade[:, None]) @ tensors["readout"].T
    nobody = near.new_zeros(len(task.grades), near.shape[1])
    return nobody.index_add(0, owner, near * says) / (1 + nobody.index_add(0, owner, near))


def divergence(left: Latent, right: Latent) -> Tensor:
    """(T,) the Kullback-Leibler divergence KL(left ‖ right)."""
    ratio = (left.deviation / right.deviation).square()
    return 0.5 * (ratio - 1 - ratio.log() + ((left.mean - right.mean) / right.deviation).square()).sum(1)
