"""Datasets: molecules with labelled frames; readers, writers, checks and splits."""

from isthmus.data.check import check_dataset, check_entry
from isthmus.data.dataset import Dataset, concatenate
from isthmus.data.entry import Entry
from isthmus.data.finding import Finding, Severity
from isthmus.data.read import read_dataset
from isthmus.data.spice import open_dataset
from isthmus.data.spice_writer import write_dataset
from isthmus.data.split import Split, read_split, write_split
from isthmus.data.splitting import split_dataset, split_frames
from isthmus.data.stated import Stated
from isthmus.data.summary import Summary, summarise
from isthmus.data.xyz_writer import write_xyz

__all__ = [
    "Dataset",
    "Entry",
    "Finding",
    "Severity",
    "Split",
    "Stated",
    "Summary",
    "check_dataset",
    "check_entry",
    "concatenate",
    "open_dataset",
    "read_dataset",
    "read_split",
    "split_dataset",
    "split_frames",
    "summarise",
    "write_dataset",
    "write_split",
    "write_xyz",
]
