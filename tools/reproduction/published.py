"""The figures that the paper prints."""

#: Fine-tuning top-1 in % as published, by target and condition.
PUBLISHED = {
    'hmdb': {
        'scratch': 30.4, 'axes xy': 47.0, 'axes x': 44.9, 'axes y': 43.1,
        'speeds 3': 43.0, 'speeds 5': 47.0, 'speeds 7': 44.6,
        'speeds 9': 44.5, 'frames 8': 45.6, 'frames 12': 44.9,
        'frames 16': 47.0, 'frames 24': 44.6, 'frames 32': 45.5,
        'shots 3': (4.5, 8.1), 'shots 5': (6.7, 12.5),
        'shots 7': (8.1, 17.4), 'shots 9': (10.4, 22.2),
        'shots 11': (11.7, 24.1), 'shots 13': (14.8, 25.4),
        'shots all': (30.4, 46.9), 'own frames': 47.0, 'S5': 47.3,
        'S10': 47.8, 'S20': 48.0, 'S30': 47.6, 'r2d3d': 47.0,
        'r2d3d k400': 48.6, 'r2p1d': 51.8,
    },
    'ucf': {
        'scratch': 64.5, 'axes xy': 71.8, 'axes x': 71.6, 'axes y': 69.9,
        'speeds 3': 70.1, 'speeds 5': 71.8, 'speeds 7': 70.9,
        'speeds 9': 71.3, 'frames 8': 71.7, 'frames 12': 71.0,
        'frames 16': 71.8, 'frames 24': 71.1, 'frames 32': 70.0,
        'own frames': 71.8, 'S5': 71.1, 'S10': 70.5, 'S20': 71.2,
        'S30': 71.9, 'r2d3d': 71.8, 'r2d3d k400': 70.7, 'r2p1d': 82.8,
    },
}

#: Pretext top-1 in % as published (Acc-PT of Tables 2 and 4).
PUBLISHED_PRETEXT = {
    'hmdb': {
        'speeds 3': 79.7, 'speeds 5': 96.1, 'speeds 7': 96.3,
        'speeds 9': 96.6, 'frames 8': 93.7, 'frames 12': 95.0,
        'frames 16': 96.1, 'frames 24': 94.5, 'frames 32': 91.7,
        'own frames': 96.1, 'S5': 83.1, 'S10': 87.8, 'S20': 96.9,
        'S30': 97.8,
    },
    'ucf': {
        'speeds 3': 81.4, 'speeds 5': 98.2, 'speeds 7': 99.1,
        'speeds 9': 99.4, 'frames 8': 98.1, 'frames 12': 98.3,
        'frames 16': 98.2, 'frames 24': 98.1, 'frames 32': 99.6,
        'own frames': 98.2, 'S5': 83.1, 'S10': 87.8, 'S20': 96.9,
        'S30': 97.7,
    },
}
