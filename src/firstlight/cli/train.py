"""``firstlight train``: learn from the data and write a model folder."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstlight.cli.group import note
from firstlight.cli.options import (
    Columns,
    Data,
    Device,
    Graded,
    HalfLife,
    LikeFrom,
    Reviews,
    Seed,
    TextEncoderName,
    Threads,
    TimeBudget,
    Weight,
    check_file,
    check_place,
    feedback,
    read,
    settings,
    use_threads,
)
from firstlight.errors import SettingsError
from firstlight.progress import shown

Out = Annotated[Path, typer.Option(metavar="MODEL", help="Folder for the model.")]
LearnerName = Annotated[
    str | None, typer.Option(metavar="NAME", help="One of `firstlight learners`; left out: the default.")
]
RecipeName = Annotated[str | None, typer.Option(metavar="NAME", help="A learner with settings: `firstlight recipe`.")]
Checkpoint = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep the training here, and go on from it after a stop.")
]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the learner. Repeat for more.")
]


Task = Annotated[
    str, typer.Option("--task", metavar="items|scenario", help="What is learned: what to recommend, or a yes or no.")
]
Label = Annotated[str | None, typer.Option(metavar="COLUMN", help="scenario: the column of the answers, 0 or 1.")]
ScenarioColumn = Annotated[str, typer.Option("--scenario", metavar="COLUMN", help="scenario: which one a row is of.")]
Features = Annotated[
    list[str] | None,
    typer.Option("--features", metavar="COLUMN", help="scenario: a column to answer by; left out: all. Repeat."),
]


def train(
    data: Data,
    out: Out,
    learner: LearnerName = None,
    recipe: RecipeName = None,
    setting: Setting = None,
    seed: Seed = 0,
    time_budget: TimeBudget = 240.0,
    columns: Columns = None,
    like_from: LikeFrom = 4.0,
    weight: Weight = None,
    graded: Graded = False,
    half_life: HalfLife = None,
    text_encoder: TextEncoderName = None,
    reviews: Reviews = False,
    threads: Threads = None,
    device: Device = "auto",
    checkpoint: Checkpoint = None,
    task: Task = "items",
    label: Label = None,
    scenario: ScenarioColumn = "domain",
    features: Features = None,
) -> None:
    """Learn from the data and write a model folder."""
    if task not in ("items", "scenario"):
        raise SettingsError(f"--task {task} is none of items, scenario.")
    if task == "scenario":
        from firstlight.cli.scenario import train_scenario

        if recipe is not None or checkpoint is not None or columns is not None:
            raise SettingsError(
                "--task scenario takes a table and no --recipe, --checkpoint or --columns: leave it out."
            )
        train_scenario(
            data,
            out,
            label=label,
            scenario=scenario,
            features=features,
            learner=learner,
            setting=setting,
            seed=seed,
            threads=threads,
        )
        return
    from firstlight import recipes
    from firstlight.budget import Budget
    from firstlight.budget import device as choose
    from firstlight.learners import DEFAULT
    from firstlight.modelfile import check_free
    from firstlight.recipes import Recipe
    from firstlight.recommender import Recommender

    check_free(out)
    check_place(out)
    if recipe is not None and learner is not None:
        raise SettingsError("--recipe names a learner already: leave --learner out, or the recipe.")
    plan = Recipe(summary="", learner=learner or DEFAULT) if recipe is None else recipes.recipe(recipe)
    chosen = plan.make(settings(setting))
    if checkpoint is not None:
        check_file(checkpoint)
        if not chosen.resumable:
            raise SettingsError(f"--checkpoint: {chosen.name} is not trained step by step: leave it out.")
    liked = feedback(like_from, weight, graded or plan.graded, half_life or plan.half_life)
    use_threads(threads)
    place = choose(device)
    dataset = read(data, columns)
    if dataset.rejected.height:
        read_rows = sum(file.read for file in dataset.report.files)
        what = f"{dataset.rejected.height:,} of {read_rows:,} rows cannot be used"
        note(f"{what}: `firstlight check {data}` says which and why.")
    start = time.monotonic()
    with shown(f"Training {chosen.name}") as progress:
        budget = Budget(time_budget, device=place, checkpoint=checkpoint)
        model = Recommender.fit(
            dataset,
            chosen,
            feedback=liked,
            within=plan.within,
            text_encoder=text_encoder,
            reviews=reviews,
            seed=seed,
            budget=budget,
            progress=progress,
        )
    model.save(out)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if harmful := model.switched_off:
        pairs = ", ".join(target if source is None else f"{source} → {target}" for source, target in harmful)
        note(f"Switched off, as people of validation are served better without: {pairs}.")
    report = dataset.report
    Console(highlight=False, soft_wrap=True).print(
        f"Trained {chosen.name} on {report.events:,} events of {report.users:,} people and "
        f"{len(model.schema.item_ids):,} items in {time.monotonic() - start:.0f} s.\n"
        f"The model is in {out}. Next: firstlight recommend {out} --support EVENTS --out RECS",
        markup=False,
    )
