"""Simulations that OpenMM runs: systems built, started, equilibrated, produced, resumed.

What a command needs, in order::

    prepared = prepare(molecule, model, environment="amber14", solvent=Solvent())
    simulation = start(prepared, conditions)
    minimise(simulation)
    for record in equilibrate(simulation, warm_up=20.0, settle=100.0): ...
    for record in produce(simulation, n_steps, report_every=1000):
        record.step, record.time, record.potential, record.temperature, record.positions()
        save_checkpoint(simulation, path)
    simulation = resume(prepared, conditions, path).simulation

`prepare` is in prepare.py, `Settings` in settings.py, `Solvent` in solvation.py; `Conditions`
in conditions.py; `start`, `minimise`, `produce` in production.py; `equilibrate` in
equilibration.py; `save_checkpoint` and `resume` in checkpoint.py; `OpenMMEngine`, which gives a
simulation to the runner of `isthmus.simulate`, in engine.py.
"""

__all__: list[str] = []
